//! Evidence for `renormalize`, on the rows that `sample` is judged on.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, NAME, Renormalize, Renormalized, reference, renormalize};
use crate::arguments::{check_dtype, choose, only_variant};
use crate::sample::sample::cases::{logits, sampling};
use crate::sample::sample::reference::keep;
use crate::sample::{Parameters, Sampling};

static SPEC: Spec = Spec {
    name: NAME,
    family: "sample",
    math: "out[j] = exp(z[j] / T) / (sum over kept i of exp(z[i] / T)) where j is kept, else 0",
    inputs: &[Slot::new("logits", "[r, v]"), Slot::new("parameters", "[r, 20]")],
    outputs: &[Slot::new("out", "[r, v]")],
    args: &[
        ArgSpec { name: "output", default: "probabilities", doc: "probabilities, logprobs or logits" },
        ArgSpec { name: "step", default: "0", doc: "is added to every row's position" },
    ],
    dtypes: DTYPES,
};

/// `renormalize` in the registry.
pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

fn case(tier: Tier, r: usize, v: usize, dtype: DType, data: &'static str) -> Case {
    Case::new(tier, &[("r", r), ("v", v)], dtype).data(data)
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        use DType::{Bf16, F16, F32};
        use Tier::{Bench, Check, Edge};
        let mut cases = vec![
            case(Edge, 0, 5, F32, "chat"),
            case(Edge, 13, 37, F32, "mixed"),
            case(Edge, 13, 1102, F32, "ties"),
            case(Edge, 13, 1028, F32, "flat").set("output", "logprobs"),
            case(Edge, 15, 65, F32, "special"),
            case(Edge, 5, 65, F32, "special_plain"),
            case(Edge, 13, 1500, Bf16, "mixed").set("output", "logits").set("step", 3),
        ];
        for dtype in [F32, F16, Bf16] {
            for output in ["probabilities", "logprobs", "logits"] {
                cases.push(case(Check, 13, 32_000, dtype, "mixed").set("output", output));
            }
            cases.push(case(Check, 13, 9001, dtype, "flat"));
        }
        for r in [32, 256] {
            cases.push(case(Bench, r, 128_256, F32, "chat"));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let logits = Tensor::from_f64(&logits(case), case.dtype, [case.dim("r"), case.dim("v")])?;
        let rows: Vec<Sampling> = (0..case.dim("r")).map(|row| sampling(case.data, row, case.seed)).collect();
        Ok(vec![logits, Parameters::new(&rows)?.tensor().clone()])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (r, v) = (case.dim("r"), case.dim("v"));
        let args = args(&case.args)?;
        let all = inputs[0].to_f64_vec()?;
        let mut truth = Vec::with_capacity(r * v);
        for row in 0..r {
            let (z, settings) = (&all[row * v..][..v], sampling(case.data, row, case.seed));
            let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if z.iter().any(|z| z.is_nan()) || largest.is_infinite() {
                truth.extend(std::iter::repeat_n((f64::NAN, 0.0), v));
                continue;
            }
            let greedy = settings.temperature < 1e-5;
            let temperature = if greedy { 1.0 } else { f64::from(settings.temperature) };
            let kept = if greedy {
                let first = z.iter().position(|&z| z == largest);
                (0..v).map(|j| Some(j) == first).collect()
            } else {
                keep(z, &settings, settings.position.wrapping_add(args.step))
            };
            let p = reference::probabilities(z, &kept, temperature);
            // The difference of logits is rounded, and so is its multiple.
            let octaves = |j: usize| (z[j] - largest).abs() / temperature;
            truth.extend((0..v).map(|j| match args.output {
                Renormalized::Logits => (if kept[j] { z[j] } else { f64::NEG_INFINITY }, 0.0),
                _ if !kept[j] && args.output == Renormalized::Probabilities => (0.0, 0.0),
                _ if !kept[j] => (f64::NEG_INFINITY, 0.0),
                Renormalized::Probabilities => (p[j], p[j] * (1.0 + octaves(j) / 8.0)),
                Renormalized::Logprobs => (p[j].ln(), 1.0 + p[j].ln().abs() + octaves(j)),
            }));
        }
        // Weights err by 4 roundings, their sum by 20; a quotient, a product.
        Ok(vec![Expected::values(&[r, v], DType::F32, DType::F32, 30.0, truth)])
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
        let [logits, parameters] = inputs else {
            return Err(Error::range(NAME, "inputs", "2 tensors", inputs.len()));
        };
        Ok(vec![renormalize(stream, logits, &Parameters::from_tensor(parameters)?, &args(given)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("r") * case.dim("v")) as f64;
        Work { flops: 20.0 * elements, bytes: elements * (case.dtype.size() + 4) as f64 }
    }
}

fn args(args: &Args) -> Result<Renormalize> {
    let output = match args.text("output", "probabilities")? {
        "probabilities" => Renormalized::Probabilities,
        "logprobs" => Renormalized::Logprobs,
        "logits" => Renormalized::Logits,
        other => return Err(Error::range(NAME, "output", "probabilities, logprobs or logits", other)),
    };
    Ok(Renormalize { output, step: args.size("step", 0)? as u64 })
}
