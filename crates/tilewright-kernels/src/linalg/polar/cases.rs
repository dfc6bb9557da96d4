//! Evidence: LAPACK's ratios, on matrices of all spectra, ranks and scales, tall, wide and square.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, check, polar, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = u h, uᵀ u = 1, h = hᵀ >= 0",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("u", "[.., m, n]"), Slot::new("h", "[.., n, n]")],
    args: &[],
    dtypes: DTYPES,
};

/// The largest n for which h's eigenvalues are found.
const TRUTH: usize = 70;

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0, 3]),
        edge([2, 5, 3]).data("geometric"),
        edge([0, 3, 4]).data("transposed"),
        edge([0, 4, 4]).data("ones"),
        edge([0, 3, 3]).data("nan"),
        case(Tier::Edge, [0, 4, 3], DType::Bf16),
        case(Tier::Edge, [9, 6, 5], f64).data("low_rank"),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "geometric",
            "one_large",
            "one_small",
            "low_rank",
            "graded",
            "ones",
            "zero",
            "zero_column",
            "identity",
            "kahan",
            "huge",
            "tiny",
        ] {
            for size in [[9, 12, 12], [2, 40, 20], [0, 20, 50], [0, 70, 60]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [0, 1, 1], dtype));
        cases.push(case(Tier::Check, [2, 3, 2], dtype).data("ones"));
        cases.push(case(Tier::Check, [2, 2, 2], dtype).data("ones"));
        cases.push(case(Tier::Check, [0, 300, 200], dtype).data("geometric"));
        // Of more rows than the bodies that every GPU has take with so many columns.
        cases.push(case(Tier::Check, [0, 4500, 40], dtype));
        for size in [[1024, 16, 16], [256, 64, 64], [0, 512, 512]] {
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
        let (m, n) = (case.dim("m"), case.dim("n"));
        Ok(vec![samples::stack(case, [m, n], |item| samples::general(case, item, m, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let free = |tail: [usize; 2]| Expected::Free { shape: [batch, &tail].concat(), dtype: case.dtype };
        Ok(vec![free([case.dim("m"), case.dim("n")]), free([case.dim("n"), case.dim("n")])])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, u, h) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?, Matrix::all(&outputs[1])?);
        let eps = eps(case.dtype);
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, u, h) = (&a[item], &u[item], &h[item]);
            if case.data == "nan" {
                let all = u.values.iter().chain(&h.values).all(|x| x.is_nan());
                residuals.push(holds("NaN where there is no result", all));
                continue;
            }
            let error = reference::backward_error(a, u, h, eps);
            residuals.push(residual("|a - u h| / (max(m, n) |a| eps)", error, case.dtype));
            let error = reference::orthogonality(u, eps);
            residuals.push(residual("|1 - uᵀ u| / (max(m, n) eps)", error, case.dtype));
            residuals.push(holds("h is symmetric", reference::is_symmetric(h)));
            if a.n <= TRUTH {
                let error = reference::negative(h, eps);
                residuals.push(residual("-l / (n |h| eps)", error, case.dtype));
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, &registry::extents(case))?;
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
        let factors = polar(stream, a)?;
        Ok(vec![factors.u, factors.h])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, size, m, n) = (b.max(1.0), m * n + n * n, m.max(n), m.min(n));
        // Three QR steps and two Cholesky steps, as a well-conditioned matrix would take fewer of.
        let flops = 3.0 * (4.0 * (m + n) * n * n) + 2.0 * (3.0 * m * n * n) + 2.0 * m * n * n;
        Work { flops: b * flops, bytes: b * (m * n + size) * case.dtype.size() as f64 }
    }
}
