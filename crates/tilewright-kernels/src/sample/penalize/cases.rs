//! Evidence for `penalize`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, NAME, Penalize, penalize, reference};
use crate::arguments::{check_dtype, choose, only_variant};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "out = z f - frequency count + bias - presence [count > 0], f = 1, 1 / repetition or repetition; -inf where masked",
    inputs: &[
        Slot::new("logits", "[r, v]"),
        Slot::new("penalties", "[r, 3]"),
        Slot::new("history", "[r, h]"),
        Slot::new("bias_tokens", "[r, m]"),
        Slot::new("biases", "[r, m]"),
        Slot::optional("mask", "[r, v / 32]"),
    ],
    outputs: &[Slot::new("out", "[r, v]")],
    args: &[ArgSpec {
        name: "window",
        default: "0",
        doc: "how many of the last entries of the history count; 0 is all",
    }],
    dtypes: DTYPES,
};

/// `penalize` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use Tier::{Bench, Check, Edge};
        let case =
            |tier, r, v, h, m, dtype| Case::new(tier, &[("r", r), ("v", v), ("h", h), ("m", m)], dtype);
        let mut cases = vec![
            case(Edge, 0, 5, 2, 1, DType::F32),
            case(Edge, 2, 7, 0, 0, DType::F32),
            case(Edge, 3, 37, 40, 5, DType::F32).data("masked"),
            case(Edge, 2, 2051, 300, 20, DType::F32).set("window", 100),
            case(Edge, 2, 2051, 300, 20, DType::Bf16).data("masked"),
        ];
        for dtype in [DType::F32, DType::F16, DType::Bf16] {
            cases.push(case(Check, 9, 32_001, 1000, 100, dtype).data("masked"));
            cases.push(case(Check, 9, 50_257, 4000, 3, dtype).set("window", 64));
        }
        for r in [32, 256] {
            cases.push(case(Bench, r, 128_256, 1024, 16, DType::F32));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let mut random = ChaCha8Rng::seed_from_u64(case.seed);
        let [r, v, h, m] = ["r", "v", "h", "m"].map(|name| case.dim(name));
        let logits: Vec<f64> = (0..r * v).map(|_| random.random_range(-8.0..8.0f32).into()).collect();
        let penalties: Vec<f32> = (0..r)
            .flat_map(|_| {
                [
                    random.random_range(0.5..2.0),
                    random.random_range(-1.0..1.0),
                    random.random_range(-1.0..1.0),
                ]
            })
            .collect();
        // A text repeats itself: most entries are of few tokens.
        let token = |random: &mut ChaCha8Rng| match random.random_range(0..8) {
            0 => -1,
            1 => random.random_range(0..v as i32),
            _ => random.random_range(0..v.min(50) as i32),
        };
        let history: Vec<i32> = (0..r * h).map(|_| token(&mut random)).collect();
        let tokens = (0..r).flat_map(|row| (0..m).map(move |at| ((row + 7 * at) % v) as i32)).collect();
        let biases = (0..r * m)
            .map(|at| if at % 5 == 4 { f32::NEG_INFINITY } else { at as f32 / 3.0 - 2.0 })
            .collect();
        let mut inputs = vec![
            Tensor::from_f64(&logits, case.dtype, [r, v])?,
            Tensor::from_vec(penalties, [r, 3])?,
            Tensor::from_vec(history, [r, h])?,
            Tensor::from_vec(tokens, [r, m])?,
            Tensor::from_vec(biases, [r, m])?,
        ];
        if case.data == "masked" {
            let words: Vec<u32> = (0..r * v.div_ceil(32)).map(|_| random.random()).collect();
            inputs.push(Tensor::from_vec(words, [r, v.div_ceil(32)])?);
        }
        Ok(inputs)
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let [r, v, h, m] = ["r", "v", "h", "m"].map(|name| case.dim(name));
        let window = match args(&case.args)?.window {
            0 => h,
            window => window.min(h),
        };
        let (z, penalties) = (inputs[0].to_f64_vec()?, inputs[1].to_f64_vec()?);
        let (history, tokens) = (inputs[2].to_vec::<i32>()?, inputs[3].to_vec::<i32>()?);
        let biases = inputs[4].to_f64_vec()?;
        let mask = inputs.get(5).map(Tensor::to_vec::<u32>).transpose()?;
        let mut truth = Vec::with_capacity(r * v);
        for row in 0..r {
            let (mut counts, mut bias) = (vec![0; v], vec![0.0; v]);
            history[row * h..][h - window..h]
                .iter()
                .filter(|token| **token >= 0)
                .for_each(|&token| counts[token as usize] += 1);
            (0..m).for_each(|at| bias[tokens[row * m + at] as usize] = biases[row * m + at]);
            for token in 0..v {
                let allowed = mask
                    .as_ref()
                    .is_none_or(|mask| mask[row * v.div_ceil(32) + token / 32] >> (token % 32) & 1 == 1);
                let token = reference::Token {
                    z: z[row * v + token],
                    count: counts[token],
                    bias: bias[token],
                    allowed,
                };
                truth.push(reference::change(&token, [0, 1, 2].map(|at| penalties[3 * row + at])));
            }
        }
        // The inverse, the difference and two fused multiply-adds.
        Ok(vec![Expected::values(&[r, v], DType::F32, DType::F32, 4.0, truth)])
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
        let ([logits, penalties, history, tokens, biases], mask) = (match inputs {
            [all @ .., mask] if inputs.len() == 6 => (all, Some(mask)),
            _ => (inputs, None),
        }) else {
            return Err(Error::range(NAME, "inputs", "5 or 6 tensors", inputs.len()));
        };
        Ok(vec![penalize(stream, logits, penalties, history, tokens, biases, mask, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("r") * case.dim("v")) as f64;
        Work { flops: 4.0 * elements, bytes: elements * (case.dtype.size() + 4) as f64 }
    }
}

fn args(args: &Args) -> Result<Penalize> {
    Ok(Penalize { window: args.size("window", 0)? })
}
