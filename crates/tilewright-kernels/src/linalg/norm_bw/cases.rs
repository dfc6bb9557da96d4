//! Evidence: central differences of norms, away from where they have no derivative.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::{Registered, Tail};
use super::super::norm::{ARGS, arguments};
use super::super::{DTYPES, SvdMode, registry, samples, svd};
use super::{NAME, norm_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let (m, n) = (case.dim("m"), case.dim("n"));
        let uniform = samples::uniform(case, 8 * item, m * n);
        // No two sums or elements of a row or column alike, and none near 0.
        let factor = |at: usize, of: usize| 1.0 + 0.5 * ((at + item as usize) % of) as f64;
        let value = |e: usize| {
            let sign = if (e + e / n).is_multiple_of(2) { 1.0 } else { -1.0 };
            sign * (1.0 + 0.05 * uniform[e]) * factor(e / n, m) * factor(e % n, n) / 4.0
        };
        // Singular values no closer than about 1 to each other and to 0.
        let apart = |e: usize| {
            let diagonal = if e / n == e % n { 1.2 * (m.min(n) - e % n) as f64 } else { 0.0 };
            diagonal + uniform[e] / (4 * m.max(n)) as f64
        };
        let order = case.args.get("order").map(|order| order.to_string()).unwrap_or_default();
        let singular = matches!(order.as_str(), "nuc" | "2" | "-2") && weights(case).is_empty();
        let value = |e: usize| if singular { apart(e) } else { value(e) };
        let weights = weights(case);
        let dy = samples::uniform(case, 8 * item + 1, weights.iter().product());
        vec![(vec![m, n], (0..m * n).map(value).collect()), (weights, dy)]
    },
    outputs: |case| vec![vec![case.dim("m"), case.dim("n")]],
    truth: |case, inputs| {
        let args = arguments(&case.args).expect("the cases' arguments are valid");
        vec![reference::norm_bw(&inputs[0], &inputs[1], &args)]
    },
    check: |device, case| svd::check(NAME, device, case.dtype, &registry::extents(case), SvdMode::Reduced),
    run: |stream, args, inputs| {
        let [a, dy] = registry::inputs(NAME, inputs)?;
        Ok(vec![norm_bw(stream, a, dy, &arguments(args)?)?])
    },
    flops: |case| 4.0 * (case.dim("m") * case.dim("n")) as f64,
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "dx_i = dy sign(x_i) (|x_i| / y)^(p-1), and the gradients of the norms of matrices",
    inputs: &[Slot::new("a", "[..]"), Slot::new("dy", "[..]")],
    outputs: &[Slot::new("da", "[..]")],
    args: ARGS,
    dtypes: DTYPES,
};

/// The extents of the norms of one matrix.
fn weights(case: &Case) -> Tail {
    let (m, n) = (case.dim("m"), case.dim("n"));
    let axes = case.args.get("axes").map(|axes| axes.to_string()).unwrap_or_default();
    let kept = case.args.bool("keepdims", false).unwrap_or(false);
    match (axes.as_str(), kept) {
        ("-1", false) => vec![m],
        ("-1", true) => vec![m, 1],
        ("-2", _) => vec![n],
        _ => vec![],
    }
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    let edge = |size| case(Tier::Edge, size, DType::F32);
    let mut cases = vec![
        edge([0, 3, 5]),
        edge([2, 0, 3]).set("axes", "-2"),
        edge([2, 3, 4]).set("axes", "-1").set("keepdims", true),
        edge([2, 3, 4]).set("axes", "-2").set("order", "1").data("transposed"),
        edge([0, 3, 4]).set("axes", "-1").set("order", "3.5"),
        edge([2, 4, 3]).set("axes", "-1").set("order", "inf"),
        edge([2, 3, 4]).set("axes", "-2,-1").set("order", "1"),
        edge([0, 3, 4]).set("order", "-inf"),
        edge([2, 4, 3]).set("axes", "-2,-1").set("order", "nuc"),
        edge([0, 3, 4]).set("order", "2"),
        case(Tier::Edge, [0, 3, 4], DType::Bf16),
        case(Tier::Edge, [2, 3, 4], DType::F64).set("axes", "-1").set("order", "-1.5"),
        case(Tier::Bench, [0, 4096, 4096], DType::F32).set("axes", "-1"),
    ];
    for dtype in [DType::F32, DType::F64] {
        for order in ["0", "1", "2", "inf", "-inf", "3", "-2.5", "0.5"] {
            cases.push(case(Tier::Check, [2, 4, 5], dtype).set("axes", "-1").set("order", order));
        }
        for order in ["fro", "nuc", "1", "-1", "2", "-2", "inf", "-inf"] {
            cases.push(case(Tier::Check, [2, 4, 3], dtype).set("axes", "-2,-1").set("order", order));
        }
    }
    cases
}
