//! Evidence for `dry`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::{NAME, dry, reference};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "out[j] = logits[j] - multiplier base^(n(j) - allowed), n(j) the longest repetition of the end of the text that j would go on with",
    inputs: &[
        Slot::new("logits", "[r, v]"),
        Slot::new("history", "[r, h]"),
        Slot::new("settings", "[r, 4]"),
        Slot::new("breakers", "[s, w]"),
    ],
    outputs: &[Slot::new("out", "[r, v]")],
    args: &[],
    dtypes: &[DType::F32],
};

/// `dry` in the registry, on a copy of the logits, since a registered kernel leaves its inputs alone.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, r: usize, v: usize, h: usize, s: usize, data: &'static str) -> Case {
    Case::new(tier, &[("r", r), ("v", v), ("h", h), ("s", s)], DType::F32).data(data)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    /// Data: texts of few tokens; `loop` repeats itself with periods of 1 to 7; `padded` has entries that are none, at both ends and within.
    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, 3, 1, ""),
            case(Edge, 2, 5, 0, 1, ""),
            case(Edge, 3, 7, 1, 0, ""),
            case(Edge, 6, 37, 70, 3, ""),
            case(Edge, 6, 9, 41, 4, "padded"),
            case(Edge, 5, 300, 333, 0, "loop"),
        ];
        for data in ["", "padded", "loop"] {
            cases.push(case(Check, 20, 1000, 400, 40, data));
        }
        cases.push(case(Bench, 32, 128_256, 4096, 100, ""));
        cases.push(case(Bench, 32, 128_256, 4096, 100, "loop"));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [r, v, h, s] = ["r", "v", "h", "s"].map(|name| case.dim(name));
        let logits: Vec<f32> = (0..r * v).map(|_| random.random_range(-8.0..8.0)).collect();
        let few = v.min(4) as i32;
        let (mut history, mut settings) = (Vec::with_capacity(r * h), Vec::with_capacity(4 * r));
        for row in 0..r {
            let start = history.len();
            for at in 0..h {
                let padding = at < row % 3 || at + row % 4 >= h || at == h / 3;
                history.push(match case.data {
                    "padded" if padding => -1,
                    "loop" if at > row + 1 => history[start + at - row % 7 - 1],
                    _ => random.random_range(0..few),
                });
            }
            let multiplier = [0.8, 1.5, 0.0, 0.1][row % 4];
            let base = [1.75, 1.0, 1.1, 2.5, 0.5][row % 5];
            settings.extend([multiplier, base, [2.0, 0.0, 1.0][row % 3], [0.0, 37.0][row % 2]]);
        }
        // Tokens that texts have, so that some breakers are found; of one, two or three tokens.
        let breakers = (0..s)
            .flat_map(|at| (0..3).map(move |place| (at, place)))
            .map(|(at, place)| match place <= (at + 1) % 3 {
                true if s > 20 => random.random_range(0..v as i32),
                true => random.random_range(0..few),
                false => -1,
            })
            .collect();
        Ok(vec![
            Tensor::from_vec(logits, [r, v])?,
            Tensor::from_vec(history, [r, h])?,
            Tensor::from_vec::<f32>(settings, [r, 4])?,
            Tensor::from_vec(breakers, [s, 3])?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [r, v, h] = ["r", "v", "h"].map(|name| case.dim(name));
        let (z, settings) = (inputs[0].to_f64_vec()?, inputs[2].to_f64_vec()?);
        let (history, breakers) = (inputs[1].to_vec::<i32>()?, inputs[3].to_vec::<i32>()?);
        let breakers: Vec<Vec<i32>> = breakers
            .chunks(3)
            .map(|breaker| breaker.iter().copied().take_while(|&token| token >= 0).collect())
            .collect();
        let mut truth: Vec<(f64, f64)> = z.iter().map(|z| (*z, z.abs())).collect();
        let mut most = 0;
        for row in 0..r {
            let settings = [0, 1, 2, 3].map(|at| settings[4 * row + at]);
            let z = &mut truth[row * v..][..v];
            most = most.max(reference::row(z, &history[row * h..][..h], settings, &breakers));
        }
        // The factors of the power, and the fused product and difference.
        Ok(vec![Expected::values(&[r, v], DType::F32, DType::F32, 2.0 + most as f64, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_dtype(NAME, "logits", case.dtype, &[DType::F32])?;
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
        let [logits, history, settings, breakers] = inputs else {
            return Err(Error::range(NAME, "inputs", "4 tensors", inputs.len()));
        };
        let mut out = Tensor::from_vec(logits.to_host()?.to_vec::<f32>()?, logits.dims())?.to(stream)?;
        dry(stream, &mut out, history, settings, breakers)?;
        Ok(vec![out])
    }

    fn work(&self, case: &Case) -> Work {
        let entries = (case.dim("r") * case.dim("h")) as f64;
        Work { flops: entries, bytes: 4.0 * entries }
    }
}
