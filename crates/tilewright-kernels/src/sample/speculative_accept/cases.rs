//! Evidence for `speculative_accept`. Tokens are judged exactly.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, reference, speculative_accept};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "x_i accepted with probability min(1, p_i(x_i) / q_i(x_i)); at the first that is not, one drawn from max(p_i - q_i, 0); after the last, from p_k",
    inputs: &[
        Slot::new("draft", "[b, k]"),
        Slot::new("draft_probs", "[b, k, v]"),
        Slot::new("target_probs", "[b, k + 1, v]"),
        Slot::new("seeds", "[b]"),
        Slot::new("positions", "[b]"),
    ],
    outputs: &[Slot::new("tokens", "[b, k + 1]"), Slot::new("accepted", "[b]")],
    args: &[],
    dtypes: &[DType::F32],
};

/// `speculative_accept` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, b: usize, k: usize, v: usize) -> Case {
    Case::new(tier, &[("b", b), ("k", k), ("v", v)], DType::F32)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Data: `same` has one distribution for both, `ended` drafts of different lengths, `apart` a target that never agrees, `nothing` a target
    /// without weights.
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 9, 4, 37),
            case(Edge, 5, 3, 1),
            case(Edge, 4, 5, 600).data("ended"),
            case(Edge, 3, 2, 33).data("same"),
            case(Edge, 3, 2, 64).data("apart"),
            case(Edge, 2, 2, 5).data("nothing"),
            case(Edge, 3, 0, 40),
            case(Edge, 0, 2, 5),
        ];
        for data in ["", "ended", "same", "apart"] {
            cases.push(case(Check, 40, 7, 9001).data(data));
        }
        cases.push(case(Bench, 32, 5, 128_256));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [b, k, v] = ["b", "k", "v"].map(|name| case.dim(name));
        let mut distribution = |count: usize| {
            let mut rows = vec![0.0f32; count * v];
            for row in rows.chunks_mut(v) {
                row.iter_mut().for_each(|x| *x = random.random_range(0.0f32..1.0).powi(6));
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
            rows
        };
        let (mut q, mut p) = (distribution(b * k), distribution(b * (k + 1)));
        let mut draft = Vec::with_capacity(b * k);
        for row in 0..b {
            for i in 0..k {
                let ended = case.data == "ended" && i > row;
                // Mostly a likely token of the draft, so that some are accepted.
                let own = &q[(row * k + i) * v..][..v];
                let likely = (0..v).max_by(|&a, &b| own[a].total_cmp(&own[b])).unwrap_or(0);
                let token = if random.random_bool(0.7) { likely } else { random.random_range(0..v) };
                draft.push(if ended { -1 } else { token as i32 });
            }
        }
        for row in 0..b {
            for i in 0..=k {
                let target = &mut p[(row * (k + 1) + i) * v..][..v];
                match case.data {
                    "same" if i < k => target.copy_from_slice(&q[(row * k + i) * v..][..v]),
                    "apart" if i < k => target[draft[row * k + i] as usize] = 0.0,
                    "nothing" => target.fill([0.0, f32::NAN, -1.0][i % 3]),
                    // Near the draft's, as a good draft's target is.
                    "" if i < k => {
                        target
                            .iter_mut()
                            .zip(&q[(row * k + i) * v..])
                            .for_each(|(p, q)| *p = 0.3 * *p + 0.7 * q);
                    }
                    _ => (),
                }
            }
        }
        if case.data == "nothing" {
            q.iter_mut().for_each(|q| *q = 1.0);
        }
        let numbers = |first: i64| Tensor::from_vec((0..b as i64).map(|row| first - 3 * row).collect(), [b]);
        Ok(vec![
            Tensor::from_vec(draft, [b, k])?,
            Tensor::from_vec(q, [b, k, v])?,
            Tensor::from_vec(p, [b, k + 1, v])?,
            numbers(case.seed as i64)?,
            numbers(1 << 40)?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [b, k, v] = ["b", "k", "v"].map(|name| case.dim(name));
        let draft = inputs[0].to_vec::<i32>()?;
        let (q, p) = (inputs[1].to_f64_vec()?, inputs[2].to_f64_vec()?);
        let (seeds, positions) = (inputs[3].to_vec::<i64>()?, inputs[4].to_vec::<i64>()?);
        let (mut tokens, mut accepted) = (Vec::new(), Vec::new());
        for row in 0..b {
            let (own, count) = reference::row(
                &draft[row * k..][..k],
                &q[row * k * v..][..k * v],
                &p[row * (k + 1) * v..][..(k + 1) * v],
                seeds[row] as u64,
                positions[row] as u64,
            );
            tokens.extend(own);
            accepted.push(count);
        }
        Ok(vec![
            Expected::Exact(Tensor::from_vec(tokens, [b, k + 1])?),
            Expected::Exact(Tensor::from_vec(accepted, [b])?),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "draft_probs", case.dtype, &[DType::F32])?;
        Ok(vec![only_variant(device)])
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        given: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        given.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [draft, q, p, seeds, positions] = inputs else {
            return Err(Error::range(NAME, "inputs", "5 tensors", inputs.len()));
        };
        let found = speculative_accept(stream, draft, q, p, seeds, positions)?;
        Ok(vec![found.tokens, found.accepted])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, v] = ["b", "v"].map(|name| case.dim(name) as f64);
        // One place of both distributions is read whole.
        Work { flops: 20.0 * b * v, bytes: 8.0 * b * v }
    }
}
