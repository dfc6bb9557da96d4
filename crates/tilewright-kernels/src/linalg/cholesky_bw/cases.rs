//! Evidence: central differences of factors.

use tilewright_core::{Args, Case, DType, Kernel, Result, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::ratios::Matrix;
use super::super::{Cholesky, DTYPES, registry, samples};
use super::{NAME, cholesky_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let (n, upper) = (case.dim("n"), case.args.bool("upper", false).unwrap_or(false));
        let uniform = samples::uniform(case, 8 * item, n * n);
        let factor = (0..n * n).map(|e| match (e / n, e % n) {
            (i, j) if i == j => 1.2 + 0.4 * uniform[e],
            (i, j) if (i > j) != upper => uniform[e] / n as f64,
            _ => 0.0,
        });
        vec![(vec![n, n], factor.collect()), (vec![n, n], samples::uniform(case, 8 * item + 1, n * n))]
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |case, inputs| {
        let turned = |x: &Matrix| {
            if case.args.bool("upper", false).unwrap_or(false) { x.transposed() } else { x.clone() }
        };
        vec![reference::cholesky_bw(&turned(&inputs[0]), &turned(&inputs[1]))]
    },
    check: |_, _| Ok(()),
    run: |stream, args, inputs| {
        let [factor, dfactor] = registry::inputs(NAME, inputs)?;
        Ok(vec![cholesky_bw(stream, factor, dfactor, &arguments(args)?)?])
    },
    flops: |case| 4.0 * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = (s + sᵀ) / 2, s = l^-T half(lᵀ dl) l^-1, a = l lᵀ",
    inputs: &[Slot::new("factor", "[.., n, n]"), Slot::new("dfactor", "[.., n, n]")],
    outputs: &[Slot::new("da", "[.., n, n]")],
    args: &[registry::UPPER],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<Cholesky> {
    Ok(Cholesky { upper: args.bool("upper", false)? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [0, 1], DType::F32).set("upper", true),
        case(Tier::Edge, [3, 5], DType::F32).data("transposed"),
        case(Tier::Edge, [2, 4], DType::F32).set("upper", true),
        case(Tier::Edge, [0, 4], DType::Bf16),
        case(Tier::Edge, [2, 4], DType::F64).set("upper", true),
        case(Tier::Check, [3, 11], DType::F32),
        case(Tier::Check, [9, 8], DType::F64),
        case(Tier::Check, [2, 9], DType::F16),
        case(Tier::Bench, [1024, 64], DType::F32),
    ]
}
