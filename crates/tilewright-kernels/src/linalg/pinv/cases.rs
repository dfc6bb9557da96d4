//! Evidence: Penrose's equations, on matrices of full rank and less.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::lstsq::rcond;
use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, SvdMode, registry, samples, svd as svd_kernel};
use super::{NAME, Pinv, pinv, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "p = v diag(1 / s) uᵀ",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("p", "[.., n, m]")],
    args: &[ArgSpec {
        name: "rcond",
        default: "max(m, n) eps",
        doc: "singular values of at most so much times the largest count as zeros",
    }],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 3, 0]),
        edge([9, 6, 5]),
        edge([2, 5, 7]).data("low_rank"),
        edge([2, 4, 4]).data("zero"),
        edge([2, 4, 4]).data("nan"),
        edge([0, 6, 6]).data("low_rank").set("rcond", 0.01),
        case(Tier::Edge, [2, 5, 4], DType::F16),
    ];
    for dtype in [f32, f64] {
        for data in ["low_rank", "zero_column", "arithmetic"] {
            cases.push(case(Tier::Check, [9, 30, 20], dtype).data(data));
            cases.push(case(Tier::Check, [0, 50, 40], dtype).data(data));
        }
        cases.push(case(Tier::Bench, [1000, 32, 32], dtype));
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
        let shape = [batch, &[case.dim("n"), case.dim("m")]].concat();
        Ok(vec![Expected::Free { shape, dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, p) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, p) = (&a[item], &p[item]);
            if case.data == "nan" {
                residuals.push(holds("NaN where there is no result", p.values.iter().all(|x| x.is_nan())));
                continue;
            }
            let error = reference::penrose(a, p, eps(case.dtype));
            residuals.push(residual("Penrose / (max(m, n) |a| |p| eps)", error, case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        svd_kernel::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Reduced)?;
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
        Ok(vec![pinv(stream, a, &Pinv { rcond: rcond(args)? })?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, m, n) = (b.max(1.0), m.max(n), m.min(n));
        Work {
            flops: b * (8.0 * m * n * n + 20.0 * n * n * n),
            bytes: b * 2.0 * m * n * case.dtype.size() as f64,
        }
    }
}
