//! Evidence. The estimate is no less than the truth, no more than a factor above it, mostly the truth itself, and always what one of the method's
//! vectors leads to.

use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Expected, Kernel, Residual, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::super::convert::working;
use super::super::ratios::{Matrix, eps, holds};
use super::super::{DTYPES, registry, samples};
use super::reference::{self, Truth};
use super::{NAME, Rcond, RcondNorm, check, rcond};
use crate::arguments::{choose, only_variant};

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "rcond ~ 1 / (|a| |a⁻¹|)",
    inputs: &[Slot::new("a", "[.., n, n]")],
    outputs: &[Slot::new("rcond", "[..]")],
    args: &[ArgSpec { name: "norm", default: "one", doc: "one or infinity" }],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Rcond> {
    // Infinity is a number as well, where arguments come as text.
    let norm = args.get("norm").map_or("one".to_owned(), |norm| norm.to_string());
    Ok(Rcond { norm: norm.parse()? })
}

/// How far the estimate may be above the truth. LAPACK's testers take 30 (`GET06`); of thousands of random matrices none is off by 5.
const FACTOR: f64 = 10.0;

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let (f32, f64) = (DType::F32, DType::F64);
    let edge = |size| case(Tier::Edge, size, f32);
    let mut cases = vec![
        edge([2, 0]),
        edge([0, 1]),
        edge([3, 5]).data("transposed"),
        edge([9, 7]).data("sliced").set("norm", "infinity"),
        edge([2, 6]).data("zero_column"),
        edge([2, 6]).data("zero"),
        edge([2, 6]).data("nan"),
        edge([2, 6]).data("infinity"),
        edge([3, 6]).data("huge"),
        edge([3, 6]).data("tiny"),
        edge([0, 5]).data("hilbert"),
        edge([0, 12]).data("kahan"),
        edge([2, 40]).set("norm", "infinity"),
        case(Tier::Edge, [2, 5], DType::Bf16),
        case(Tier::Edge, [9, 12], f64),
    ];
    for dtype in [f32, f64] {
        for data in ["", "geometric", "one_large", "one_small", "graded", "kahan", "diagonal"] {
            for size in [[40, 13], [9, 64], [0, 31], [3, 90]] {
                let plain = case(Tier::Check, size, dtype);
                cases.push(if data.is_empty() { plain } else { plain.data(data) });
            }
        }
        for data in [
            "huge",
            "tiny",
            "hilbert",
            "vandermonde",
            "identity",
            "wilkinson",
            "zero_column",
            "nan",
            "infinity",
        ] {
            cases.push(case(Tier::Check, [9, 20], dtype).data(data));
            cases.push(case(Tier::Check, [0, 70], dtype).data(data));
        }
        cases.push(case(Tier::Check, [40, 31], dtype).set("norm", "infinity"));
        cases.push(case(Tier::Check, [0, 211], dtype).set("norm", "infinity"));
        cases.push(case(Tier::Check, [0, 530], dtype));
        for size in [[1000, 32], [1024, 64], [0, 1024]] {
            cases.push(case(Tier::Bench, size, dtype));
        }
    }
    cases.push(case(Tier::Check, [9, 8], DType::F16));
    cases
}

/// The truths of a batch.
fn truths(case: &Case, a: &Tensor) -> Result<Vec<Truth>> {
    let norm = arguments(&case.args)?.norm;
    let eps = eps(working(case.dtype));
    let truth = |a: Matrix| match norm {
        RcondNorm::One => reference::rcond(&a, eps),
        RcondNorm::Infinity => reference::rcond(&a.transposed(), eps),
    };
    Ok(Matrix::all(a)?.into_iter().map(truth).collect())
}

/// Relative, the roundings beside those of the solution: two sums of n terms and what follows them.
fn roundings(case: &Case) -> f64 {
    (2 * case.dim("n") + 8) as f64 * eps(working(case.dtype))
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
        Ok(vec![samples::stack(case, [n, n], |item| samples::general(case, item, n, n))?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let (relative, dtype) = (roundings(case), case.dtype);
        let (mut value, mut tolerance) = (Vec::new(), Vec::new());
        for Truth { rcond, error, ends } in truths(case, &inputs[0])? {
            if ends.is_empty() {
                // Without a doubt.
                value.push(rcond);
                tolerance.push(0.0);
                continue;
            }
            let least = (rcond - error).max(0.0) * (1.0 - relative);
            let most = (FACTOR * (rcond + error)).min(1.0) * (1.0 + relative);
            value.push((least + most) / 2.0);
            tolerance.push((most - least) / 2.0 + most * dtype.unit_roundoff() + dtype.smallest_positive());
        }
        let shape = inputs[0].dims()[..inputs[0].rank() - 2].to_vec();
        Ok(vec![Expected::Values { shape, dtype, value, tolerance }])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let found = outputs[0].to_f64_vec()?;
        let mut residuals = Vec::new();
        let (mut known, mut exact) = (0, 0);
        for (truth, found) in truths(case, &inputs[0])?.into_iter().zip(found) {
            // Of a matrix this near to singular, the method's vectors are not told apart.
            let unsure = truth.error / truth.rcond;
            if truth.ends.is_empty() || unsure > 0.01 {
                continue;
            }
            let allowed = 1.02 * unsure + roundings(case) + eps(case.dtype);
            let beside = |end: f64| (found / end - 1.0).abs() / allowed;
            let ratio = truth.ends.iter().map(|&end| beside(end)).fold(f64::INFINITY, f64::min);
            residuals.push(Residual { name: "|rcond - nearest end| / rounding", ratio, limit: 1.0 });
            (known, exact) = (known + 1, exact + usize::from(beside(truth.rcond) <= 1.0));
        }
        if known >= 9 {
            residuals.push(holds("half of them are the truth", 2 * exact >= known));
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check(device, case.dtype, case.dim("n"))?;
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
        Ok(vec![rcond(stream, a, &arguments(args)?)?])
    }

    fn work(&self, case: &Case) -> Work {
        let (b, n) = (case.dim("b").max(1) as f64, case.dim("n") as f64);
        // The elimination, and the four systems that a climb takes at least.
        Work { flops: b * (2.0 / 3.0 * n * n * n + 8.0 * n * n), bytes: b * n * n * case.dtype.size() as f64 }
    }
}
