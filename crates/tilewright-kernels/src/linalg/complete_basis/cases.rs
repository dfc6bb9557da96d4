//! Evidence: LAPACK's ratio, and the columns that were given.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, orthogonality, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, complete_basis, reference};
use crate::arguments::{check_f64, choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out = [q, c], outᵀ out = 1",
    inputs: &[Slot::new("q", "[.., m, k]")],
    outputs: &[Slot::new("out", "[.., m, m]")],
    args: &[],
    dtypes: DTYPES,
};

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |tier, [b, m, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("k", k)], dtype);
        let (f32, f64) = (DType::F32, DType::F64);
        let edge = |size| case(Tier::Edge, size, f32);
        let mut cases = vec![
            edge([2, 3, 0]),
            edge([0, 1, 1]),
            edge([9, 7, 3]),
            edge([2, 6, 4]).data("zero_columns"),
            edge([2, 3, 2]).data("zero"),
            edge([0, 5, 3]).data("signed"),
            case(Tier::Edge, [2, 7, 5], DType::Bf16),
            case(Tier::Edge, [9, 12, 7], f64).data("zero_columns"),
        ];
        for dtype in [f32, f64] {
            for size in [[20, 31, 20], [0, 80, 40], [0, 150, 149]] {
                cases.push(case(Tier::Check, size, dtype));
                cases.push(case(Tier::Check, size, dtype).data("zero_columns"));
            }
            cases.push(case(Tier::Bench, [256, 64, 32], dtype));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let (m, k) = (case.dim("m"), case.dim("k"));
        Ok(vec![samples::stack(case, [m, k], |item| {
            let mut q = samples::turned(case, item, m, k);
            let zero = |j: usize| match case.data {
                "zero" => true,
                "zero_columns" => (j + item as usize) % 3 == 1,
                _ => false,
            };
            (0..m * k).filter(|e| zero(e % k)).for_each(|e| q[e] = 0.0);
            q
        })?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        let shape = [batch, &[case.dim("m"), case.dim("m")]].concat();
        Ok(vec![Expected::Free { shape, dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (q, out) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let mut residuals = Vec::new();
        for item in judged(q.len()) {
            let error = orthogonality(&out[item], eps(case.dtype));
            residuals.push(residual("|1 - outᵀ out| / (m eps)", error, case.dtype));
            residuals.push(holds("given columns stay", reference::keeps(&q[item], &out[item])));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_f64(NAME, device, case.dtype)?;
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
        let [q] = registry::inputs(NAME, inputs)?;
        Ok(vec![complete_basis(stream, q)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, k] = ["b", "m", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        // The reflections, and their product with the columns of the identity that are wanted.
        let flops = 2.0 * m * k * k - 2.0 / 3.0 * k * k * k + 4.0 * m * k * (m - k);
        Work { flops: b * flops, bytes: b * (m * k + m * m) * case.dtype.size() as f64 }
    }
}
