//! Evidence: LAPACK's ratio, which holds whatever the condition.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::extents::Extents;
use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples, solve, vendor};
use super::{NAME, reference, run};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a x = 1",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("x", "[.., n, n]"), Slot::new("info", "[..]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let mut cases = vec![
        case(Tier::Edge, [0, 0], f32),
        case(Tier::Edge, [0, 1], f32),
        case(Tier::Edge, [9, 7], f32),
        case(Tier::Edge, [0, 40], f32).data("geometric"),
        case(Tier::Edge, [3, 6], f32).data("zero_column"),
        case(Tier::Edge, [9, 6], f32).data("nan"),
        case(Tier::Edge, [9, 6], f32).data("infinity"),
        case(Tier::Edge, [0, 40], f32).data("infinity"),
        case(Tier::Edge, [2, 9], DType::Bf16),
        case(Tier::Edge, [9, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["geometric", "one_large", "one_small", "zero_column"] {
            for size in [[20, 31], [0, 150], [3, 140], [0, 192]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        for data in ["nan", "infinity"] {
            for size in [[20, 31], [0, 90], [3, 128]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n], dtype).data(data));
        }
        for size in registry::TIMED {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    for size in registry::TIMED_F32 {
        cases.push(case(Tier::Bench, size, f32));
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
        let info = if case.data == "zero_column" { (case.dim("n") / 3 + 1) as i32 } else { 0 };
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(vec![info; batch.iter().product()], batch)?),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, x) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let each = judged(a.len()).map(|item| (&a[item], &x[item])).map(|(a, x)| match case.data {
            "zero_column" => holds("NaN where singular", x.values.iter().all(|x| x.is_nan())),
            "nan" | "infinity" if case.data == "nan" || !x.largest().is_finite() => {
                let nowhere = x.values.iter().all(|x| !x.is_finite());
                holds("not finite, nowhere, or the inverse of the limit", nowhere)
            }
            "infinity" => {
                let (a, identity) = solve::limit(a, &Matrix::identity(a.n));
                let error = reference::error_of(&a, x, &identity, eps(case.dtype));
                residual("|a x - 1| / (n |a| |x| eps) of the limit", error, case.dtype)
            }
            _ => residual("|a x - 1| / (n |a| |x| eps)", reference::error(a, x, eps(case.dtype)), case.dtype),
        });
        Ok(each.collect())
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let (batch, n) = (vec![case.dim("b").max(1)], case.dim("n"));
        Ok(registry::timed(case, solve::variants(NAME, device, case.dtype, &Extents { batch, m: n, n })?))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [a] = registry::inputs(NAME, inputs)?;
        let result = run(stream, variant, a)?;
        Ok(vec![result.x, result.info])
    }

    fn on_host(&self, device: Device, variant: &str) -> Option<&'static str> {
        vendor::decides(device, variant)
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        Work { flops: b * 2.0 * n * n * n, bytes: b * 2.0 * n * n * case.dtype.size() as f64 }
    }
}
