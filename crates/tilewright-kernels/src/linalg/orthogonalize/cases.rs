//! Evidence: the same steps in f64, and singular values near 1.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, ratio, residual};
use super::super::svd::singular_values;
use super::super::{DTYPES, registry, samples};
use super::{NAME, Orthogonalize, orthogonalize, reference};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "x = (c1 + c3 x xᵀ + c5 (x xᵀ)²) x, again and again",
    inputs: &[Slot::new("a", "[.., m, n]")],
    outputs: &[Slot::new("x", "[.., m, n]")],
    args: &[
        ArgSpec { name: "method", default: "muon", doc: "whose coefficients: muon or polar_express" },
        ArgSpec { name: "steps", default: "5", doc: "how many steps" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Orthogonalize> {
    Ok(Orthogonalize { method: args.text("method", "muon")?.parse()?, steps: args.size("steps", 5)? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let (f32, f64, bf16) = (DType::F32, DType::F64, DType::Bf16);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0, 3]),
        edge([2, 5, 3]),
        edge([0, 4, 6]).set("method", "polar_express").set("steps", 8i64),
        edge([2, 4, 4]).data("zero"),
        case(Tier::Edge, [2, 4, 3], bf16),
        case(Tier::Edge, [0, 3, 3], f64).set("steps", 0i64),
    ];
    for dtype in [f32, f64, bf16] {
        cases.push(case(Tier::Check, [3, 20, 33], dtype));
        cases.push(case(Tier::Check, [0, 50, 40], dtype).set("method", "polar_express").set("steps", 8i64));
    }
    for dtype in [f32, bf16] {
        cases.push(case(Tier::Bench, [0, 256, 256], dtype));
        cases.push(case(Tier::Bench, [0, 1024, 1024], dtype));
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
        Ok(vec![Expected::Free { shape: inputs[0].dims().to_vec(), dtype: case.dtype }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let args = arguments(&case.args)?;
        let (a, x) = (Matrix::all(&inputs[0])?, Matrix::all(&outputs[0])?);
        let growth = reference::growth(args.method, args.steps) * case.dim("m").max(case.dim("n")) as f64;
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, x) = (&a[item], &x[item]);
            let truth = reference::steps(a, args.method, args.steps);
            let error = ratio(x.minus(&truth).norm(), growth, eps(case.dtype));
            residuals.push(residual("|x - truth| / (n growth eps)", error, case.dtype));
            // What the steps are for; in 16 bits it tells more than the ratio, which allows for all roundings to be of one sign.
            if args.steps >= 5 && a.m + a.n <= 100 && !matches!(case.data, "zero") {
                let s = singular_values(a);
                let known = s.iter().filter(|&&x| x > 0.02 * s[0]).count();
                let near = singular_values(x)[..known].iter().all(|s| (0.6..1.25).contains(s));
                residuals.push(holds("singular values are near 1", near));
            }
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
        Ok(vec![orthogonalize(stream, a, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let [b, m, n] = ["b", "m", "n"].map(|name| case.dim(name) as f64);
        let (b, k, l) = (b.max(1.0), m.min(n), m.max(n));
        let steps = arguments(&case.args).map_or(5.0, |args| args.steps as f64);
        Work {
            flops: b * steps * (4.0 * k * k * l + 2.0 * k * k * k),
            bytes: b * 2.0 * m * n * case.dtype.size() as f64,
        }
    }
}
