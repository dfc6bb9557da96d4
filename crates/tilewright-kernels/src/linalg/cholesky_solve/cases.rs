//! Evidence: LAPACK's ratio, on factors of hard matrices.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, residual};
use super::super::triangular_solve::column_ratio;
use super::super::{Cholesky, DTYPES, cholesky, registry, samples};
use super::{CholeskySolve, NAME, cholesky_solve, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "l lᵀ x = b",
    inputs: &[Slot::new("factor", "[.., n, n]"), Slot::new("b", "[.., n, k]")],
    outputs: &[Slot::new("x", "[.., n, k]")],
    args: &[registry::UPPER],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let mut cases = vec![
        case(Tier::Edge, [0, 0, 1], f32),
        case(Tier::Edge, [3, 5, 2], f32),
        case(Tier::Edge, [0, 37, 3], f32).set("upper", true),
        case(Tier::Edge, [2, 9, 1], DType::Bf16),
        case(Tier::Edge, [9, 12, 3], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["geometric", "one_small", "graded"] {
            for size in [[20, 31, 3], [0, 150, 40]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        cases.push(case(Tier::Bench, [1000, 32, 1], dtype));
        cases.push(case(Tier::Bench, [0, 512, 1], dtype));
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
        let (n, k, upper) = (case.dim("n"), case.dim("k"), case.args.bool("upper", false)?);
        // What the factor was made of does not matter to the judge, which multiplies it out again.
        let a = samples::stack(case, [n, n], |item| samples::positive(case, item, n))?;
        let factor = cholesky(&Stream::cpu(), &a, &Cholesky { upper })?.factor;
        Ok(vec![factor, samples::stack(case, [n, k], |item| samples::uniform(case, 8 * item + 7, n * k))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        Ok(vec![Expected::Free { shape: inputs[1].dims().to_vec(), dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let upper = case.args.bool("upper", false)?;
        let (factors, b, x) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?, Matrix::all(&outputs[0])?);
        let each = factors.iter().zip(&b).zip(&x).map(|((factor, b), x)| {
            let a = reference::product(factor, upper);
            let error = column_ratio(&a, x, &b.minus(&a.times(x)), eps(case.dtype));
            residual("|b - a x| / (|a| |x| eps)", error, case.dtype)
        });
        Ok(each.collect())
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
        let [factor, b] = registry::inputs(NAME, inputs)?;
        Ok(vec![cholesky_solve(stream, factor, b, &CholeskySolve { upper: args.bool("upper", false)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, k] = ["b", "n", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        Work { flops: b * 2.0 * n * n * k, bytes: b * (n * n / 2.0 + 2.0 * n * k) * case.dtype.size() as f64 }
    }
}
