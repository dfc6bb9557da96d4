//! Evidence: central differences of inverses.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::DTYPES;
use super::super::differences::Registered;
use super::super::registry;
use super::super::samples;
use super::{NAME, inverse_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let n = case.dim("n");
        let uniform = samples::uniform(case, 8 * item, n * n);
        // Inverses of matrices that are no closer to singular than 1.
        let y = (0..n * n).map(|e| uniform[e] / n as f64 + if e.is_multiple_of(n + 1) { 1.5 } else { 0.0 });
        vec![(vec![n, n], y.collect()), (vec![n, n], samples::uniform(case, 8 * item + 1, n * n))]
    },
    outputs: |case| vec![vec![case.dim("n"); 2]],
    truth: |_, inputs| vec![reference::inverse_bw(&inputs[0], &inputs[1])],
    check: |_, _| Ok(()),
    run: |stream, _, inputs| {
        let [y, dy] = registry::inputs(NAME, inputs)?;
        Ok(vec![inverse_bw(stream, y, dy)?])
    },
    flops: |case| 4.0 * (case.dim("n") as f64).powi(3),
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da = -yᵀ dy yᵀ, y = a^-1",
    inputs: &[Slot::new("y", "[.., n, n]"), Slot::new("dy", "[.., n, n]")],
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
        case(Tier::Check, [3, 13], DType::F32),
        case(Tier::Check, [2, 13], DType::F64),
        case(Tier::Check, [2, 9], DType::F16),
        case(Tier::Bench, [1024, 64], DType::F32),
    ]
}
