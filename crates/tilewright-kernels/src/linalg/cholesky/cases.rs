//! Evidence. A factor is judged by LAPACK's ratio; where a matrix is not positive definite, by the pivot at which it fails.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier, Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry, samples};
use super::{Cholesky, NAME, reference, run, variants};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a = l lᵀ",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("factor", "[.., n, n]"), Slot::new("info", "[..]")],
    args: &[registry::UPPER],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size, data| case(Tier::Edge, size, f32).data(data);
    let mut cases = vec![
        case(Tier::Edge, [0, 0], f32),
        case(Tier::Edge, [0, 1], f32),
        case(Tier::Edge, [3, 5], f32),
        case(Tier::Edge, [0, 32], f32),
        case(Tier::Edge, [2, 33], f32),
        case(Tier::Edge, [0, 97], f32),
        edge([3, 7], "transposed"),
        edge([2, 31], "sliced").set("upper", true),
        edge([0, 41], "geometric").set("upper", true),
        edge([5, 8], "one_large"),
        edge([0, 29], "one_small"),
        edge([9, 6], "huge"),
        edge([9, 6], "tiny"),
        edge([17, 7], "indefinite"),
        edge([0, 70], "indefinite"),
        edge([0, 8], "nan"),
        edge([0, 3], "zero"),
        edge([0, 5], "hilbert"),
        case(Tier::Edge, [2, 30], DType::Bf16),
        case(Tier::Edge, [2, 6], DType::F16),
        case(Tier::Edge, [9, 19], f64),
    ];
    for dtype in [f32, f64] {
        for data in
            ["", "geometric", "arithmetic", "one_large", "one_small", "graded", "huge", "tiny", "indefinite"]
        {
            for size in [[20, 31], [3, 64], [0, 128], [0, 211]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for (data, [b, n]) in registry::SPECTRA.into_iter().zip(registry::BESIDE) {
            cases.push(case(Tier::Check, [b, n], dtype).data(data));
        }
        cases.push(case(Tier::Check, [0, 600], dtype));
        cases.push(case(Tier::Check, [2, 150], dtype).data("indefinite"));
        cases.push(case(Tier::Check, [3, 140], dtype).set("upper", true));
        cases.push(case(Tier::Check, [3, 96], dtype));
        cases.push(case(Tier::Check, [3, 101], dtype).set("upper", true));
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
        Ok(vec![samples::stack(case, [n, n], |item| samples::positive(case, item, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let upper = case.args.bool("upper", false)?;
        let a = Matrix::all(&inputs[0])?;
        let info = a.iter().map(|a| reference::info(a, upper)).collect();
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(info, batch)?),
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let upper = case.args.bool("upper", false)?;
        let (a, factors) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let (mut residuals, infos) = (Vec::new(), outputs[1].to_vec::<i32>()?);
        for item in judged(a.len()) {
            let (a, factor) = (&a[item], &factors[item]);
            if infos[item] != 0 {
                residuals.push(holds("NaN where it failed", factor.values.iter().all(|x| x.is_nan())));
                continue;
            }
            let error = reference::backward_error(a, factor, upper, eps(case.dtype));
            residuals.push(residual("|a - l lᵀ| / (n |a| eps)", error, case.dtype));
            residuals.push(holds("triangular", reference::is_triangular(factor, upper)));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        Ok(registry::timed(case, variants(device, case.dtype, case.dim("b").max(1), case.dim("n"))?))
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
        let result = run(stream, variant, a, &Cholesky { upper: args.bool("upper", false)? })?;
        Ok(vec![result.factor, result.info])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        Work { flops: b * n * n * n / 3.0, bytes: b * 1.5 * n * n * case.dtype.size() as f64 }
    }
}
