//! Evidence: LAPACK's ratio, which holds whatever the condition.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::inverse;
use super::super::ratios::{Matrix, eps, holds, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, TriangularInverse, reference, triangular_inverse};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a x = 1, a triangular",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("x", "[.., n, n]"), Slot::new("info", "[..]")],
    args: &[
        registry::UPPER,
        ArgSpec { name: "unit_diagonal", default: "false", doc: "the diagonal stands for ones" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<TriangularInverse> {
    Ok(TriangularInverse {
        upper: args.bool("upper", false)?,
        unit_diagonal: args.bool("unit_diagonal", false)?,
    })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let mut cases = vec![
        case(Tier::Edge, [2, 0], f32),
        case(Tier::Edge, [0, 1], f32),
        case(Tier::Edge, [9, 7], f32),
        case(Tier::Edge, [2, 35], f32).set("upper", true).data("transposed"),
        case(Tier::Edge, [3, 6], f32).set("unit_diagonal", true),
        case(Tier::Edge, [3, 6], f32).data("zero_column"),
        case(Tier::Edge, [2, 9], DType::Bf16).set("upper", true),
        case(Tier::Edge, [9, 12], f64).set("upper", true),
    ];
    for dtype in [f32, f64] {
        for data in ["", "kahan", "graded", "zero_column"] {
            for size in [[20, 31], [0, 150]] {
                let plain = case(Tier::Check, size, dtype).set("upper", true);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for size in [[1024, 32], [256, 128], [0, 512]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
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
        Ok(vec![samples::stack(case, [n, n], |item| {
            let mut a = samples::general(case, item, n, n);
            // Away from zero, but for the column of zeros.
            for x in a.iter_mut().step_by(n + 1).filter(|x| **x != 0.0) {
                *x += x.signum();
            }
            a
        })?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let info = if case.data == "zero_column" { (case.dim("n") / 3 + 1) as i32 } else { 0 };
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(vec![info; batch.iter().product()], batch)?),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let args = arguments(&case.args)?;
        let (a, x) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let mut residuals = Vec::new();
        for (a, x) in a.iter().zip(&x) {
            if case.data == "zero_column" {
                residuals.push(holds("NaN where singular", x.values.iter().all(|x| x.is_nan())));
                continue;
            }
            let a = reference::triangle(a, args.upper, args.unit_diagonal);
            let error = inverse::error(&a, x, eps(case.dtype));
            residuals.push(residual("|a x - 1| / (n |a| |x| eps)", error, case.dtype));
            residuals.push(holds("zeros beyond the diagonal", reference::is_triangular(x, args.upper)));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
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
        let result = triangular_inverse(stream, a, &arguments(args)?)?;
        Ok(vec![result.x, result.info])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        Work { flops: b / 3.0 * n * n * n, bytes: b * n * (n + 1.0) * case.dtype.size() as f64 }
    }
}
