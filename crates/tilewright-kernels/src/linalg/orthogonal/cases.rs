//! Evidence: orthonormal vectors, and another matrix for each item of a batch.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::{DTYPES, registry};
use super::{NAME, Orthogonal, check, orthogonal, reference};
use crate::arguments::{check_tensor, choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "out = gain q, q of Haar's measure",
    inputs: &[Slot::new("like", "[.., m, n]")],
    outputs: &[Slot::new("out", "[.., m, n]")],
    args: &[
        ArgSpec { name: "gain", default: "1", doc: "what the orthonormal vectors are multiplied by" },
        ArgSpec { name: "seed", default: "0", doc: "which of the matrices" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Orthogonal> {
    Ok(Orthogonal { gain: args.float("gain", 1.0)?, seed: args.size("seed", 0)? as u64 })
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        let case =
            |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
        let (f32, f64) = (DType::F32, DType::F64);
        let mut cases = vec![
            case(Tier::Edge, [2, 0, 3], f32),
            case(Tier::Edge, [0, 1, 1], f32),
            case(Tier::Edge, [2, 7, 4], f32).set("gain", 1.5),
            case(Tier::Edge, [0, 3, 6], f32).set("seed", 5i64),
            case(Tier::Edge, [2, 4, 4], DType::Bf16),
            case(Tier::Edge, [2, 4, 3], f64),
        ];
        for dtype in [f32, f64, DType::F16] {
            cases.push(case(Tier::Check, [3, 20, 33], dtype).set("gain", -0.5));
            cases.push(case(Tier::Check, [0, 150, 70], dtype).set("seed", 9i64));
        }
        for dtype in [f32, f64] {
            // Of more rows than the bodies that every GPU has take with so many columns.
            cases.push(case(Tier::Check, [0, 4500, 40], dtype));
            cases.push(case(Tier::Bench, [0, 1024, 1024], dtype));
        }
        cases
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name));
        let shape: Vec<usize> = [b].into_iter().filter(|&b| b != 0).chain([m, n]).collect();
        // Nobody may read it.
        Ok(vec![Tensor::from_f64(&vec![f64::NAN; b.max(1) * m * n], case.dtype, shape)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        Ok(vec![Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, _: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (out, gain) = (Matrix::all(&outputs[0])?, arguments(&case.args)?.gain);
        let mut residuals = Vec::new();
        for item in judged(out.len()) {
            let error = reference::orthogonality(&out[item], gain, eps(case.dtype));
            residuals.push(residual("|1 - outᵀ out / gain²| / (max(m, n) eps)", error, case.dtype));
        }
        if let [first, second, ..] = &out[..]
            && first.m.min(first.n) > 1
        {
            residuals.push(holds("each is another", first.values != second.values));
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
        let [like] = registry::inputs(NAME, inputs)?;
        check_tensor(NAME, "like", stream, like, DTYPES)?;
        Ok(vec![orthogonal(stream, like.dtype(), like.dims(), &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, m, n) = (b.max(1.0), m.max(n), m.min(n));
        Work {
            flops: b * (4.0 * m * n * n - 4.0 / 3.0 * n * n * n),
            bytes: b * m * n * case.dtype.size() as f64,
        }
    }
}
