//! Evidence: LAPACK's ratios of the reflections' product, formed in f64, on matrices of all spectra, ranks and scales.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, qr_reflectors, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = h_1 .. h_k r",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("reflectors", "[.., m, n]"), Slot::new("tau", "[.., k]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([0, 0, 0]),
        edge([0, 0, 3]),
        edge([2, 3, 0]),
        edge([0, 1, 1]),
        edge([0, 1, 4]),
        edge([3, 5, 5]).data("transposed"),
        edge([9, 7, 3]),
        edge([0, 3, 8]).data("sliced"),
        edge([2, 31, 31]).data("geometric"),
        edge([0, 32, 20]).data("low_rank"),
        edge([0, 33, 33]).data("one_small"),
        edge([2, 40, 70]),
        edge([0, 70, 40]).data("one_large"),
        edge([0, 300, 5]),
        edge([0, 36, 36]).data("zero_column"),
        edge([9, 6, 6]).data("zero"),
        edge([0, 40, 40]).data("zero"),
        edge([0, 8, 8]).data("identity"),
        edge([0, 8, 8]).data("kahan"),
        edge([9, 6, 6]).data("huge"),
        edge([9, 6, 6]).data("tiny"),
        edge([0, 50, 40]).data("huge"),
        edge([0, 50, 40]).data("tiny"),
        edge([0, 7, 7]).data("hilbert"),
        case(Tier::Edge, [2, 18, 18], DType::Bf16),
        case(Tier::Edge, [2, 5, 4], DType::F16),
        case(Tier::Edge, [9, 12, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in
            ["", "geometric", "one_large", "one_small", "low_rank", "graded", "zero_column", "huge", "tiny"]
        {
            for size in [[20, 31, 31], [9, 64, 40], [0, 128, 128], [0, 130, 150]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [0, 520, 70], dtype));
        for size in
            [[1000, 32, 32], [4096, 32, 32], [1024, 64, 64], [256, 128, 128], [0, 512, 512], [0, 1024, 1024]]
        {
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
        let tau = [batch, &[case.dim("m").min(case.dim("n"))]].concat();
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Free { shape: tau, dtype: case.dtype },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, reflectors) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let (tau, k) = (outputs[1].to_f64_vec()?, case.dim("m").min(case.dim("n")));
        let mut residuals = Vec::new();
        for (item, (a, v)) in a.iter().zip(&reflectors).enumerate() {
            let q = reference::product(v, &tau[item * k..][..k]);
            let error = reference::backward_error(a, &q, v, eps(case.dtype));
            residuals.push(residual("|a - q r| / (m |a| eps)", error, case.dtype));
            let error = reference::orthogonality(&q, eps(case.dtype));
            residuals.push(residual("|1 - qᵀ q| / (m eps)", error, case.dtype));
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
        let result = qr_reflectors(stream, a)?;
        Ok(vec![result.reflectors, result.tau])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, k) = (b.max(1.0), m.min(n));
        let flops = 4.0 * m * n * k - 2.0 * (m + n) * k * k + 4.0 / 3.0 * k * k * k;
        Work { flops: b * flops, bytes: b * 2.0 * m * n * case.dtype.size() as f64 }
    }
}
