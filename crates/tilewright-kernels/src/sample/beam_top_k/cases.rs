//! Evidence for `beam_top_k`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{BeamTopK, DTYPES, NAME, beam_top_k, reference};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "the k largest of beam_scores[b, i] + log softmax(logits[b, i])[j] over all i and j",
    inputs: &[Slot::new("logits", "[b, beams, v]"), Slot::new("beam_scores", "[b, beams]")],
    outputs: &[Slot::new("scores", "[b, k]"), Slot::new("beams", "[b, k]"), Slot::new("tokens", "[b, k]")],
    args: &[ArgSpec { name: "k", default: "0", doc: "how many of each batch entry; 0 is twice the beams" }],
    dtypes: DTYPES,
};

/// `beam_top_k` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Data: `dead` has a beam of score minus infinity in each entry, `equal` logits that are all one value.
    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let case = |tier, b, beams, v, dtype, k: i64| {
            Case::new(tier, &[("b", b), ("beams", beams), ("v", v)], dtype).set("k", k)
        };
        let mut cases = vec![
            case(Edge, 0, 2, 5, F32, 0),
            case(Edge, 2, 1, 2, F32, 0),
            case(Edge, 3, 4, 37, F32, 0),
            case(Edge, 2, 3, 1102, F32, 5).data("dead"),
            case(Edge, 2, 3, 12, F32, 20).data("equal"),
            case(Edge, 2, 5, 300, Bf16, 0),
        ];
        for dtype in [F32, F16, Bf16] {
            cases.push(case(Check, 5, 4, 50_257, dtype, 0));
            cases.push(case(Check, 2, 40, 3001, dtype, 0).data("dead"));
        }
        for (b, beams) in [(1, 4), (32, 8)] {
            cases.push(case(Bench, b, beams, 128_256, F32, 0));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [b, beams, v] = ["b", "beams", "v"].map(|name| case.dim(name));
        let mut uniform = |width: f64| random.random_range(-width..width);
        // Far apart at the top, so that 16 bits do not make the best equal.
        let logits: Vec<f64> = (0..b * beams * v)
            .map(|_| if case.data == "equal" { 0.5 } else { 8.0 * uniform(1.0).powi(3) })
            .collect();
        let scores: Vec<f64> =
            (0..b * beams)
                .map(|at| {
                    if case.data == "dead" && at % beams == 1 {
                        f64::NEG_INFINITY
                    } else {
                        uniform(2.0) - 9.0
                    }
                })
                .collect();
        Ok(vec![
            Tensor::from_f64(&logits, case.dtype, [b, beams, v])?,
            Tensor::from_f64(&scores, DType::F32, [b, beams])?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [b, beams, v] = ["b", "beams", "v"].map(|name| case.dim(name));
        let k = match args(&case.args)?.k {
            0 => 2 * beams,
            k => k,
        };
        let (logits, scores) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let all: Vec<(f64, u32, u32)> = (0..b)
            .flat_map(|entry| {
                let logits = &logits[entry * beams * v..][..beams * v];
                reference::entry(logits, &scores[entry * beams..][..beams], k)
            })
            .collect();
        let truth =
            all.iter().map(|&(score, ..)| (score, if score.is_finite() { score.abs() + 2.0 } else { 0.0 }));
        Ok(vec![
            // Those of the log-probabilities of `sample`, and a sum.
            Expected::values(&[b, k], DType::F32, DType::F32, 31.0, truth),
            Expected::Exact(Tensor::from_vec(all.iter().map(|best| best.1).collect(), [b, k])?),
            Expected::Exact(Tensor::from_vec(all.iter().map(|best| best.2).collect(), [b, k])?),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "logits", case.dtype, DTYPES)?;
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
        let [logits, beam_scores] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        let best = beam_top_k(stream, logits, beam_scores, &args(given)?)?;
        Ok(vec![best.scores, best.beams, best.tokens])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("beams") * case.dim("v")) as f64;
        Work { flops: 10.0 * elements, bytes: elements * case.dtype.size() as f64 }
    }
}

fn args(args: &Args) -> Result<BeamTopK> {
    Ok(BeamTopK { k: args.size("k", 0)? })
}
