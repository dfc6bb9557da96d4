//! What the Gram matrix is judged and timed on.
//!
//! Tolerance: as many roundings as terms, as in [`matmul`](super::super::matmul()). Besides, the output has to equal its own transpose.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Residual, Result, Slot, Spec, Stream,
    Tensor, Tier, Work,
};

use super::super::matmul;
use super::super::product::{DTYPES, accumulator};
use super::super::samples::{Data, Samples, roundings};
use super::Gram;
use super::reference::truth;

/// [`gram()`](super::gram()) as the registry sees it.
pub static KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: "gram",
    family: "gemm",
    math: "out = aᵀ a, or a aᵀ",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., n, n]")],
    args: &[
        ArgSpec {
            name: "of_rows",
            default: "false",
            doc: "a aᵀ, whose shape is [.., m, m], instead of aᵀ a",
        },
        ArgSpec { name: "out_dtype", default: "auto", doc: "f32, f16, bf16 (f64 for f64); auto: that of a" },
        ArgSpec { name: "tile", default: "auto", doc: "tile of the portable GPU body, such as 64x64x16/4x4" },
    ],
    dtypes: DTYPES,
};

const SMALL: &str = "16x32x8/4x4";

/// Products beyond this many terms in all are judged by residuals.
const FULLY_JUDGED: f64 = 5e8;

fn case(tier: Tier, m: usize, n: usize, dtype: DType) -> Case {
    Case::new(tier, &[("m", m), ("n", n)], dtype)
}

fn edge(m: usize, n: usize, dtype: DType) -> Case {
    case(Tier::Edge, m, n, dtype).set("tile", SMALL)
}

fn extents(case: &Case) -> (Vec<usize>, usize, usize) {
    let batch = case.dims.iter().filter(|(name, _)| *name == "b").map(|&(_, b)| b).collect();
    let (m, n) = (case.dim("m"), case.dim("n"));
    let of_rows = case.args.bool("of_rows", false).unwrap_or(false);
    if of_rows { (batch, m, n) } else { (batch, n, m) }
}

fn terms(case: &Case) -> f64 {
    let (batch, n, k) = extents(case);
    batch.iter().product::<usize>() as f64 * (n * n) as f64 * k as f64
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (m, n) in [(1, 1), (5, 3), (7, 16), (9, 17), (20, 33), (3, 65)] {
            cases.push(edge(m, n, DType::F32));
            cases.push(edge(m, n, DType::F32).set("of_rows", true));
        }
        let batched = |b: usize, m: usize, n: usize| {
            Case::new(Tier::Edge, &[("b", b), ("m", m), ("n", n)], DType::F32).set("tile", SMALL)
        };
        cases.extend([
            edge(0, 5, DType::F32),
            edge(5, 0, DType::F32),
            edge(13, 35, DType::F32).data("integers"),
            edge(13, 35, DType::F32).data("strided"),
            edge(13, 35, DType::F32).set("of_rows", true).data("strided"),
            edge(10, 34, DType::Bf16),
            edge(10, 34, DType::Bf16).set("out_dtype", "f32").data("integers"),
            edge(11, 36, DType::F64),
            batched(0, 3, 4),
            batched(3, 9, 18),
            batched(2, 6, 35).data("strided"),
            // Long sums are cut into pieces.
            edge(1100, 5, DType::F32),
        ]);
        for dtype in [DType::F32, DType::F64, DType::F16, DType::Bf16] {
            cases.push(case(Tier::Check, 129, 257, dtype));
            cases.push(case(Tier::Check, 400, 127, dtype).set("of_rows", true));
            cases.push(case(Tier::Check, 10_000, 33, dtype));
        }
        cases.push(Case::new(Tier::Check, &[("b", 40), ("m", 65), ("n", 50)], DType::F32));
        cases.push(case(Tier::Bench, 100_000, 64, DType::F32));
        cases.push(case(Tier::Bench, 1024, 1024, DType::F32));
        cases.push(case(Tier::Bench, 4096, 4096, DType::F32));
        cases.push(case(Tier::Bench, 4096, 4096, DType::Bf16));
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (batch, ..) = extents(case);
        let dims = [batch.as_slice(), &[case.dim("m"), case.dim("n")]].concat();
        Ok(vec![Samples::new(case).tensor(case.dtype, &dims)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let args = Gram::from_args(&case.args)?;
        let (batch, n, k) = extents(case);
        let (shape, dtype) = ([batch.as_slice(), &[n, n]].concat(), args.out_dtype.unwrap_or(case.dtype));
        if terms(case) > FULLY_JUDGED {
            return Ok(vec![Expected::Free { shape, dtype }]);
        }
        let truth = truth(&inputs[0], args.of_rows)?;
        if Data::of(case) == Data::Integers {
            let values: Vec<f64> = truth.elements().map(|(value, _)| value).collect();
            return Ok(vec![Expected::Exact(Tensor::from_f64(&values, dtype, shape)?)]);
        }
        let inner = accumulator(case.dtype);
        Ok(vec![Expected::values(&shape, dtype, inner, roundings(k, 0, inner), truth.elements())])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let mirrored = outputs[0].transpose()?.to_bytes()? == outputs[0].to_bytes()?;
        let ratio = if mirrored { 0.0 } else { f64::INFINITY };
        let mut all = vec![Residual { name: "out differs from its transpose", ratio, limit: 1.0 }];
        if terms(case) > FULLY_JUDGED {
            let args = Gram::from_args(&case.args)?;
            all.extend(matmul::residuals(&truth(&inputs[0], args.of_rows)?, case, &outputs[0])?);
        }
        Ok(all)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let out = Gram::from_args(&case.args)?.out_dtype.unwrap_or(case.dtype);
        matmul::support(SPEC.name, device, case.dtype, out)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [a] = inputs else { return Err(Error::range(SPEC.name, "inputs", "a alone", inputs.len())) };
        Ok(vec![super::run(stream, variant, a, &Gram::from_args(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (batch, n, k) = extents(case);
        let batch = batch.iter().product::<usize>() as f64;
        let out =
            case.args.text("out_dtype", "auto").ok().and_then(|name| name.parse().ok()).unwrap_or(case.dtype);
        let (n, k) = (n as f64, k as f64);
        let bytes = batch * (n * k * case.dtype.size() as f64 + n * n * out.size() as f64);
        Work { flops: batch * n * (n + 1.0) * k, bytes }
    }
}
