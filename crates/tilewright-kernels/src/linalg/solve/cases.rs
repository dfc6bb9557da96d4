//! Evidence. Solutions are judged by LAPACK's ratio, which holds whatever the condition.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::extents::Extents;
use super::super::ratios::{Matrix, eps, holds, residual};
use super::super::triangular_solve::column_ratio;
use super::super::{DTYPES, registry, samples, vendor};
use super::{NAME, by, reference, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a x = b",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("b", "[.., n, k]")],
    outputs: &[Slot::new("x", "[.., n, k]"), Slot::new("info", "[..]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([0, 0, 2]),
        edge([0, 3, 0]),
        edge([0, 1, 1]),
        edge([3, 5, 2]).data("transposed"),
        edge([2, 7, 1]).data("sliced"),
        edge([0, 33, 3]),
        edge([9, 8, 5]),
        edge([2, 31, 1]).data("geometric"),
        edge([9, 6, 2]).data("zero_column"),
        edge([0, 36, 2]).data("zero_column"),
        edge([0, 6, 2]).data("hilbert"),
        edge([9, 6, 2]).data("nan"),
        edge([9, 6, 2]).data("infinity"),
        edge([2, 31, 1]).data("nan"),
        edge([0, 36, 2]).data("infinity"),
        case(Tier::Edge, [2, 18, 3], DType::Bf16),
        case(Tier::Edge, [2, 5, 1], DType::F16),
        case(Tier::Edge, [9, 12, 3], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["", "geometric", "one_large", "one_small", "graded", "zero_column"] {
            for size in [[20, 31, 3], [9, 64, 1], [0, 128, 1], [0, 211, 40], [3, 150, 2]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for data in ["nan", "infinity"] {
            for size in [[20, 31, 3], [9, 64, 1], [0, 90, 40], [3, 128, 2]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n, 2], dtype).data(data));
        }
        cases.push(case(Tier::Check, [0, 600, 2], dtype));
        for size in [[1000, 32, 1], [4096, 32, 1], [1024, 64, 1], [0, 128, 1], [0, 512, 1], [0, 1024, 1]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    for size in [[640, 512, 1], [60, 1024, 1], [0, 4096, 1]] {
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
        let (n, k) = (case.dim("n"), case.dim("k"));
        Ok(vec![
            samples::stack(case, [n, n], |item| samples::general(case, item, n, n))?,
            samples::stack(case, [n, k], |item| samples::uniform(case, 8 * item + 7, n * k))?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        // Of these matrices only those with a column of zeros are singular, and they remain so: that column's pivot is zero.
        let singular = case.data == "zero_column" && !inputs[1].is_empty();
        let info = if singular { (case.dim("n") / 3 + 1) as i32 } else { 0 };
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[1].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(vec![info; batch.iter().product()], batch)?),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, b, x) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?, Matrix::all(&outputs[0])?);
        let mut residuals = Vec::new();
        for (item, info) in outputs[1].to_vec::<i32>()?.into_iter().enumerate() {
            let (a, b, x) = (&a[item], &b[item], &x[item]);
            if info != 0 {
                residuals.push(holds("NaN where singular", x.values.iter().all(|x| x.is_nan())));
                continue;
            }
            if !a.largest().is_finite() && (case.data == "nan" || !x.largest().is_finite()) {
                let nowhere = x.values.iter().all(|x| !x.is_finite());
                residuals.push(holds("not finite, nowhere, or the solution of the limit", nowhere));
                continue;
            }
            let limit = (case.data == "infinity").then(|| reference::limit(a, b));
            let (a, b) = limit.as_ref().map_or((a, b), |(a, b)| (a, b));
            let error = column_ratio(a, x, &reference::residual(a, x, b), eps(case.dtype));
            residuals.push(residual("|b - a x| / (|a| |x| eps)", error, case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        let (batch, n) = (vec![case.dim("b").max(1)], case.dim("n"));
        Ok(registry::timed(case, variants(NAME, device, case.dtype, &Extents { batch, m: n, n })?))
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [a, b] = registry::inputs(NAME, inputs)?;
        let result = by(stream, variant, a, b)?;
        Ok(vec![result.x, result.info])
    }

    fn on_host(&self, device: Device, variant: &str) -> Option<&'static str> {
        vendor::decides(device, variant)
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, k] = ["b", "n", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        Work {
            flops: b * (2.0 / 3.0 * n * n * n + 2.0 * n * n * k),
            bytes: b * (n * n + 2.0 * n * k) * case.dtype.size() as f64,
        }
    }
}
