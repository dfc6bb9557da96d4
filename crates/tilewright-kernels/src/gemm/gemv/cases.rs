//! What the product with a vector is judged and timed on.
//!
//! Tolerance: any order of summing `k` products, fused or not, leaves at most `k` roundings on each.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::product::{DTYPES, accumulator};
use super::super::samples::{Data, Samples, roundings};
use super::Gemv;
use super::reference::truth;

/// [`gemv()`](super::gemv()) as the registry sees it.
pub static KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: "gemv",
    family: "gemm",
    math: "out = op(a) x",
    inputs: &[Slot::new("a", "[.., m, k]"), Slot::new("x", "[.., k]")],
    outputs: &[Slot::new("out", "[.., m]")],
    args: &[
        ArgSpec { name: "transpose", default: "false", doc: "op(a) is the transpose of a" },
        ArgSpec { name: "out_dtype", default: "auto", doc: "f32, f16, bf16 (f64 for f64); auto: that of a" },
    ],
    dtypes: DTYPES,
};

fn case(tier: Tier, m: usize, k: usize, dtype: DType, transpose: bool) -> Case {
    let case = Case::new(tier, &[("m", m), ("k", k)], dtype);
    if transpose { case.set("transpose", true) } else { case }
}

/// The extents of `a`'s and `x`'s leading axes: both, only `a`'s, or crossing ones.
fn leads(case: &Case) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let Some(&(_, b)) = case.dims.iter().find(|(name, _)| *name == "b") else { return Default::default() };
    match case.data {
        "shared" => (vec![b], vec![], vec![b]),
        "crossed" => (vec![b, 1], vec![2], vec![b, 2]),
        _ => (vec![b], vec![b], vec![b]),
    }
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for transpose in [false, true] {
            for (m, k) in [(1, 1), (3, 5), (7, 33), (9, 129), (129, 9), (17, 600)] {
                cases.push(case(Tier::Edge, m, k, DType::F32, transpose));
            }
            cases.push(case(Tier::Edge, 33, 40, DType::F32, transpose).data("integers"));
            cases.push(case(Tier::Edge, 13, 37, DType::F32, transpose).data("strided"));
            cases.push(case(Tier::Edge, 12, 64, DType::Bf16, transpose));
            cases.push(case(Tier::Edge, 11, 30, DType::F64, transpose));
            let batched = |b: usize, m: usize, k: usize| {
                let case = Case::new(Tier::Edge, &[("b", b), ("m", m), ("k", k)], DType::F32);
                if transpose { case.set("transpose", true) } else { case }
            };
            cases.extend([
                batched(0, 2, 3),
                batched(3, 5, 36),
                batched(2, 9, 7).data("strided"),
                batched(3, 4, 6).data("shared"),
                batched(2, 5, 4).data("crossed"),
            ]);
            for dtype in [DType::F32, DType::F64, DType::F16, DType::Bf16] {
                cases.push(case(Tier::Check, 257, 513, dtype, transpose));
                cases.push(case(Tier::Check, 20_001, 35, dtype, transpose));
                cases.push(case(Tier::Check, 35, 20_001, dtype, transpose));
            }
            cases.push(case(Tier::Bench, 4096, 4096, DType::F32, transpose));
            cases.push(case(Tier::Bench, 16384, 4096, DType::F32, transpose));
            cases.push(case(Tier::Bench, 16384, 4096, DType::Bf16, transpose));
            cases.push(case(Tier::Bench, 64, 100_000, DType::F32, transpose));
        }
        cases.extend([
            case(Tier::Edge, 0, 3, DType::F32, false),
            case(Tier::Edge, 3, 0, DType::F32, false),
            case(Tier::Edge, 6, 40, DType::Bf16, false).set("out_dtype", "f32").data("integers"),
            case(Tier::Edge, 5, 9, DType::F32, false).data("nonfinite"),
        ]);
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let args = Gemv::from_args(&case.args)?;
        let (m, k) = (case.dim("m"), case.dim("k"));
        let (lead_a, lead_x, _) = leads(case);
        let matrix = if args.transpose { [k, m] } else { [m, k] };
        let mut samples = Samples::new(case);
        Ok(vec![
            samples.tensor(case.dtype, &[lead_a.as_slice(), &matrix].concat())?,
            samples.tensor(case.dtype, &[lead_x.as_slice(), &[k]].concat())?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = Gemv::from_args(&case.args)?;
        let (m, k) = (case.dim("m"), case.dim("k"));
        let (.., lead) = leads(case);
        let a = if args.transpose { inputs[0].transpose()? } else { inputs[0].clone() };
        let a = a.broadcast_to([lead.as_slice(), &[m, k]].concat())?;
        let x = inputs[1].broadcast_to([lead.as_slice(), &[k]].concat())?;
        let (shape, dtype) = ([lead.as_slice(), &[m]].concat(), args.out_dtype.unwrap_or(case.dtype));
        let truth = truth(&a, &x)?;
        if Data::of(case) == Data::Integers {
            let values: Vec<f64> = truth.iter().map(|&(value, _)| value).collect();
            return Ok(vec![Expected::Exact(Tensor::from_f64(&values, dtype, shape)?)]);
        }
        let inner = accumulator(case.dtype);
        Ok(vec![Expected::values(&shape, dtype, inner, roundings(k, 0, inner), truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        match device {
            Device::Cpu => Ok(vec!["cpu"]),
            Device::Cuda(_) => Ok(vec!["portable"]),
            _ if case.dtype == DType::F64 => Err(Error::unsupported(SPEC.name, device, "Metal has no f64")),
            _ => Ok(vec!["portable"]),
        }
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [a, x] = inputs else { return Err(Error::range(SPEC.name, "inputs", "a and x", inputs.len())) };
        Ok(vec![super::run(stream, variant, a, x, &Gemv::from_args(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (lead_a, lead_x, lead) = leads(case);
        let count = |lead: &[usize]| lead.iter().product::<usize>() as f64;
        let (m, k, size) = (case.dim("m") as f64, case.dim("k") as f64, case.dtype.size() as f64);
        let out = Gemv::from_args(&case.args).ok().and_then(|args| args.out_dtype).unwrap_or(case.dtype);
        let bytes = size * k * (count(&lead_a) * m + count(&lead_x)) + count(&lead) * m * out.size() as f64;
        Work { flops: 2.0 * count(&lead) * m * k, bytes }
    }
}
