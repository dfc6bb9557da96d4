//! Evidence: central differences of logarithms.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, lu, registry, samples};
use super::{NAME, reference, slogdet_bw};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        let uniform = samples::uniform(case, 8 * item, n * n);
        // No closer to singular than 1, and rows that elimination exchanges.
        let a = (0..n * n).map(|e| uniform[e] / n as f64 + if e % n == (e / n + 1) % n { 2.0 } else { 0.0 });
        vec![(vec![n, n], a.collect()), (vec![], samples::uniform(case, 8 * item + 1, 1))]
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |_, inputs| vec![reference::slogdet_bw(&inputs[0], inputs[1].at(0, 0))],
    check: |device, case| lu::check(NAME, device, case.dtype, case.dim("n")),
    run: |stream, _, inputs| {
        let [a, dlog] = registry::inputs(NAME, inputs)?;
        Ok(vec![slogdet_bw(stream, a, dlog)?])
    },
    flops: |case| 2.0 * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = dlog a^-T, of log |det a|",
    inputs: &[Slot::new("a", "[.., n, n]"), Slot::new("dlog", "[..]")],
    outputs: &[Slot::new("da", "[.., n, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, n]: [usize; 2], dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [0, 1], DType::F32),
        case(Tier::Edge, [3, 5], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 4], DType::Bf16),
        case(Tier::Edge, [2, 4], DType::F64),
        case(Tier::Check, [3, 11], DType::F32),
        case(Tier::Check, [9, 8], DType::F64),
        case(Tier::Bench, [1024, 64], DType::F32),
    ]
}
