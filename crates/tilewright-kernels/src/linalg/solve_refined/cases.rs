//! Evidence: solutions with more digits than the system, on matrices of all conditions that the factors allow, and LAPACK's ratio.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::ratios::{Matrix, eps, holds, judged, residual};
use super::super::triangular_solve::column_ratio;
use super::super::{DTYPES, registry, samples};
use super::{NAME, SolveRefined, check, reference, solve_refined};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "a x = b; x = x + d, l u d = b - a x, again and again",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("b", "[.., n, k]")],
    outputs: &[Slot::new("x", "[.., n, k]"), Slot::new("info", "[..]"), Slot::new("iterations", "[..]")],
    args: &[
        ArgSpec {
            name: "factors",
            default: "f32",
            doc: "of what the factors are: f32, bf16 or, for f64, f64",
        },
        ArgSpec { name: "iterations", default: "30", doc: "at most so many solutions with the factors" },
    ],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<SolveRefined> {
    Ok(SolveRefined {
        factors: args.text("factors", "f32")?.parse()?,
        iterations: args.size("iterations", 30)?,
    })
}

/// Units in the last place that a solution may be off by: the last correction, its own rounding, and that of the result.
const ALLOWED: f64 = 4.0;

fn cases() -> Vec<Case> {
    let case = |tier, [b, n, k]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("n", n), ("k", k)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    // Twice as many iterations as any takes would be more than these.
    let edge = |size, most: i64| case(Tier::Edge, size, f32).set("iterations", most);
    let mut cases = vec![
        edge([0, 0, 2], 3),
        edge([0, 3, 0], 3),
        edge([0, 1, 1], 3),
        edge([2, 5, 2], 3).data("transposed"),
        edge([2, 7, 1], 7).data("geometric"),
        edge([2, 6, 2], 7).data("dominant").set("factors", "bf16"),
        edge([3, 6, 2], 3).data("zero_column"),
        edge([2, 5, 2], 3).data("huge"),
        case(Tier::Edge, [2, 6, 3], DType::Bf16).set("iterations", 3i64),
        case(Tier::Edge, [9, 8, 2], f64).data("geometric").set("iterations", 13i64),
    ];
    for dtype in [f32, f64] {
        for data in ["", "geometric", "arithmetic", "one_small", "huge", "tiny", "zero_column"] {
            for size in [[20, 31, 3], [0, 90, 2]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        cases.push(case(Tier::Check, [9, 40, 2], dtype).data("dominant").set("factors", "bf16"));
        for size in [[1024, 64, 1], [0, 1024, 1]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    cases.push(case(Tier::Check, [9, 20, 2], f64).data("geometric").set("factors", "f64"));
    cases
}

/// Of spectra the f64 systems have the condition that factors of f32 allow.
fn matrix(case: &Case, item: u64, n: usize) -> Vec<f64> {
    if case.data == "dominant" {
        let x = samples::uniform(case, 8 * item, n * n);
        return (0..n * n).map(|e| x[e] / n as f64 + f64::from(u8::from(e / n == e % n))).collect();
    }
    let wide = case.args.text("factors", "f32").is_ok_and(|factors| factors == "f64");
    let dtype = if wide || matches!(case.data, "huge" | "tiny") { case.dtype } else { DType::F32 };
    samples::general(&Case { dtype, ..case.clone() }, item, n, n)
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
            samples::stack(case, [n, n], |item| matrix(case, item, n))?,
            samples::stack(case, [n, k], |item| samples::uniform(case, 8 * item + 7, n * k))?,
        ])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let singular = case.data == "zero_column" && !inputs[1].is_empty();
        let info = if singular { (case.dim("n") / 3 + 1) as i32 } else { 0 };
        let batch = &inputs[0].dims()[..inputs[0].rank() - 2];
        Ok(vec![
            Expected::Free { shape: inputs[1].dims().to_vec(), dtype: case.dtype },
            Expected::Exact(Tensor::from_vec::<i32>(vec![info; batch.iter().product()], batch)?),
            Expected::Free { shape: batch.to_vec(), dtype: DType::I32 },
        ])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let (a, b, x) = (Matrix::all(&inputs[0])?, Matrix::all(&inputs[1])?, Matrix::all(&outputs[0])?);
        let (info, iterations) = (outputs[1].to_vec::<i32>()?, outputs[2].to_vec::<i32>()?);
        let (most, eps) = (arguments(&case.args)?.iterations as i32, eps(case.dtype));
        let mut residuals = Vec::new();
        for item in judged(a.len()) {
            let (a, b, x) = (&a[item], &b[item], &x[item]);
            residuals.push(holds("as many iterations as told", (0..=most).contains(&iterations[item])));
            if info[item] != 0 {
                residuals.push(holds("NaN where singular", x.values.iter().all(|x| x.is_nan())));
                continue;
            }
            let truth = reference::solution(a, b);
            let ratio = reference::forward_error(x, &truth, 2.0 * eps);
            residuals.push(Residual { name: "|x - truth| / (|truth| eps)", ratio, limit: ALLOWED });
            let error = column_ratio(a, x, &b.minus(&a.times(x)), eps);
            residuals.push(residual("|b - a x| / (|a| |x| eps)", error, case.dtype));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, case.dim("n"), &arguments(&case.args)?)?;
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
        let [a, b] = registry::inputs(NAME, inputs)?;
        let found = solve_refined(stream, a, b, &arguments(args)?)?;
        Ok(vec![found.x, found.info, found.iterations])
    }

    fn on_host(&self, device: Device, _variant: &str) -> Option<&'static str> {
        (device != Device::Cpu)
            .then_some("whether there is another iteration, by a number read of each matrix")
    }

    fn work(&self, case: &Case) -> Work {
        let [b, n, k] = ["b", "n", "k"].map(|name| case.dim(name) as f64);
        let b = b.max(1.0);
        // Three iterations, as systems of a mild condition take, with about 10 operations for a product of twice the digits.
        let flops = 2.0 / 3.0 * n * n * n + 3.0 * (2.0 + 10.0) * n * n * k;
        Work { flops: b * flops, bytes: b * (n * n + 2.0 * n * k) * case.dtype.size() as f64 }
    }
}
