//! Evidence: the truth in f64, within what the elimination's backward error does to it.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps};
use super::super::{DTYPES, determinant, registry, samples};
use super::{NAME, reference, slogdet};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "det a = sign exp(log)",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("sign", "[..]"), Slot::new("log", "[..]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let mut cases = vec![
        case(Tier::Edge, [2, 0], f32),
        case(Tier::Edge, [0, 1], f32),
        case(Tier::Edge, [9, 7], f32),
        case(Tier::Edge, [0, 8], f32).data("transposed"),
        case(Tier::Edge, [0, 40], f32),
        case(Tier::Edge, [3, 6], f32).data("zero_column"),
        case(Tier::Edge, [0, 8], f32).data("graded"),
        case(Tier::Edge, [0, 40], f32).data("huge"),
        case(Tier::Edge, [0, 40], f32).data("tiny"),
        case(Tier::Edge, [9, 6], f32).data("nan"),
        case(Tier::Edge, [9, 1], f32).data("infinity"),
        case(Tier::Edge, [2, 5], DType::Bf16),
        case(Tier::Edge, [9, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["graded", "kahan", "arithmetic", "zero_column", "nan"] {
            for size in [[20, 13], [0, 50]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        cases.push(case(Tier::Bench, [1000, 32], dtype));
        cases.push(case(Tier::Bench, [0, 512], dtype));
    }
    cases
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let n = case.dim("n");
        Ok(vec![samples::stack(case, [n, n], |item| samples::general(case, item, n, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (batch, dtype) = (&inputs[0].dims()[..inputs[0].rank() - 2], case.dtype);
        // Computed in f32 where the dtype is narrower.
        let eps = eps(dtype).min(eps(DType::F32));
        let truth: Vec<_> = Matrix::all(&inputs[0])?.iter().map(|a| reference::determinant(a, eps)).collect();
        let signs = truth.iter().map(|&(sign, ..)| (sign, 0.0));
        let exact = 1.0 / DType::F64.unit_roundoff();
        let logs = truth.iter().map(|&(_, log, error)| {
            // The exponent's part may be much larger than the logarithm that is left when the mantissa's is added.
            let rounding = if log.is_finite() { 4.0 * eps * (log.abs() + case.dim("n") as f64) } else { 0.0 };
            (log, error + rounding)
        });
        Ok(vec![
            Expected::values(batch, dtype, DType::F64, 0.0, signs),
            Expected::values(batch, dtype, DType::F64, exact, logs),
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        determinant::check(NAME, device, case.dtype, case.dim("n"))?;
        registry::variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        choose(NAME, variant, &[only_variant(stream.device())])?;
        let [a] = registry::inputs(NAME, inputs)?;
        let result = slogdet(stream, a)?;
        Ok(vec![result.sign, result.log])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        Work { flops: b * 2.0 / 3.0 * n * n * n, bytes: b * n * n * case.dtype.size() as f64 }
    }
}
