//! Evidence. The factors are judged by LAPACK's ratio, on matrices of all spectra, with equal pivots, of low rank, and with growth.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples};
use super::{NAME, by, reference, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a[p] = l u",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("lu", "[.., m, n]"), Slot::new("permutation", "[.., m]"), Slot::new("info", "[..]")],
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
        edge([3, 5, 5]).data("transposed"),
        edge([2, 7, 3]),
        edge([0, 3, 8]).data("sliced"),
        edge([9, 8, 8]),
        edge([2, 31, 31]).data("geometric"),
        edge([0, 32, 20]).data("one_small"),
        edge([0, 33, 33]),
        edge([2, 40, 70]),
        edge([0, 70, 40]).data("one_large"),
        edge([0, 53, 53]).data("wilkinson"),
        edge([0, 300, 5]),
        edge([3, 7, 7]).data("dependent"),
        edge([0, 36, 36]).data("zero_column"),
        edge([11, 6, 6]).data("zero"),
        edge([0, 40, 40]).data("zero"),
        edge([0, 8, 8]).data("identity"),
        edge([3, 6, 6]).data("huge"),
        edge([3, 6, 6]).data("tiny"),
        edge([0, 6, 6]).data("hilbert"),
        edge([9, 6, 6]).data("nan"),
        edge([9, 6, 6]).data("infinity"),
        edge([0, 40, 33]).data("nan"),
        edge([0, 40, 33]).data("infinity"),
        case(Tier::Edge, [2, 18, 18], DType::Bf16),
        case(Tier::Edge, [2, 5, 4], DType::F16),
        case(Tier::Edge, [9, 12, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in [
            "",
            "geometric",
            "arithmetic",
            "one_large",
            "one_small",
            "low_rank",
            "graded",
            "zero_column",
            "vandermonde",
            "huge",
            "tiny",
        ] {
            for size in [[20, 31, 31], [9, 64, 40], [0, 128, 128], [0, 130, 211], [2, 210, 140]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for data in ["nan", "infinity"] {
            for size in [[20, 31, 31], [9, 64, 40], [0, 90, 128]] {
                cases.push(case(Tier::Check, size, dtype).data(data));
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n, n], dtype).data(data));
        }
        cases.push(case(Tier::Check, [0, 600, 600], dtype));
        cases.push(case(Tier::Check, [0, 1500, 20], dtype));
        // On GPUs panels of 4 and of 2 columns.
        for m in [4500, 8500] {
            cases.push(case(Tier::Check, [0, m, 11], dtype));
        }
        for [b, n] in registry::TIMED {
            cases.push(case(Tier::Bench, [b, n, n], dtype));
        }
    }
    for [b, n] in registry::TIMED_F32 {
        cases.push(case(Tier::Bench, [b, n, n], f32));
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
        let batch = inputs[0].dims()[..inputs[0].rank() - 2].to_vec();
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Free { shape: [&batch[..], &[case.dim("m")]].concat(), dtype: DType::I32 },
            Expected::Free { shape: batch, dtype: DType::I32 },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, factors) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let (permutation, infos) = (outputs[1].to_vec::<i32>()?, outputs[2].to_vec::<i32>()?);
        let m = case.dim("m");
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, lu) = (&a[item], &factors[item]);
            let permutation = &permutation[item * m..][..m];
            let valid = reference::is_permutation(permutation);
            residuals.push(holds("a permutation", valid));
            residuals.push(holds("info names u's first zero", infos[item] == reference::info(lu)));
            if case.data == "zero" {
                residuals.push(holds("zero fails at once", infos[item] == i32::from(!a.values.is_empty())));
            }
            if valid && matches!(case.data, "nan" | "infinity") {
                let spread = reference::is_spread(a, lu, permutation);
                residuals.push(holds("finite where elimination leaves it so", spread));
                let error = reference::finite_error(a, lu, permutation, eps(case.dtype));
                residuals.push(residual("|a[p] - l u| / (n |a| eps) of what is finite", error, case.dtype));
            } else if valid {
                let error = reference::backward_error(a, lu, permutation, eps(case.dtype));
                residuals.push(residual("|a[p] - l u| / (n |a| eps)", error, case.dtype));
                residuals.push(holds("multipliers of 1 at most", reference::largest_multiplier(lu) <= 1.0));
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        Ok(registry::timed(case, variants(NAME, device, case.dtype, &registry::extents(case))?))
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
        let factors = by(stream, variant, a)?;
        Ok(vec![factors.lu, factors.permutation, factors.info])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, k) = (b.max(1.0), m.min(n));
        let flops = 2.0 * m * n * k - (m + n) * k * k + 2.0 / 3.0 * k * k * k;
        Work { flops: b * flops, bytes: b * 2.0 * m * n * case.dtype.size() as f64 }
    }
}
