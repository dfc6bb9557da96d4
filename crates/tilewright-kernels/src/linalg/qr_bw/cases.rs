//! Evidence: central differences of factors.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::super::differences::Registered;
use super::super::{DTYPES, registry, samples};
use super::{NAME, qr_bw, reference};

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    inputs: |case, item| {
        let (m, n) = (case.dim("m"), case.dim("n"));
        let k = m.min(n);
        let uniform = samples::uniform(case, 8 * item, k * n);
        // Diagonals of both signs, away from 0.
        let r = (0..k * n).map(|e| match (e / n, e % n) {
            (i, j) if i == j => (1.2 + 0.4 * uniform[e]) * if i % 2 == 0 { 1.0 } else { -1.0 },
            (i, j) if i < j => uniform[e] / n as f64,
            _ => 0.0,
        });
        vec![
            (vec![m, k], samples::turned(case, item, m, k)),
            (vec![k, n], r.collect()),
            (vec![m, k], samples::uniform(case, 8 * item + 1, m * k)),
            (vec![k, n], samples::uniform(case, 8 * item + 2, k * n)),
        ]
    },
    outputs: |case| vec![vec![case.dim("m"), case.dim("n")]],
    truth: |_, inputs| vec![reference::qr_bw(&inputs[0], &inputs[1], &inputs[2], &inputs[3])],
    check: |_, _| Ok(()),
    run: |stream, _, inputs| {
        let [q, r, dq, dr] = registry::inputs(NAME, inputs)?;
        Ok(vec![qr_bw(stream, q, r, dq, dr)?])
    },
    flops: |case| {
        let (m, n) = (case.dim("m") as f64, case.dim("n") as f64);
        let k = m.min(n);
        5.0 * m * k * k + 2.0 * k * k * k + 6.0 * m * k * (n - k)
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "linalg",
    math: "da rᵀ = dq + q mirrored(r drᵀ - dqᵀ q), of a = q r",
    inputs: &[
        Slot::new("q", "[.., m, k]"),
        Slot::new("r", "[.., k, n]"),
        Slot::new("dq", "[.., m, k]"),
        Slot::new("dr", "[.., k, n]"),
    ],
    outputs: &[Slot::new("da", "[.., m, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, n]: [usize; 3], dtype| Case::new(tier, &[("b", b), ("m", m), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 3, 0], DType::F32),
        case(Tier::Edge, [0, 1, 1], DType::F32),
        case(Tier::Edge, [2, 5, 3], DType::F32).data("transposed"),
        case(Tier::Edge, [0, 4, 4], DType::F32),
        case(Tier::Edge, [2, 3, 5], DType::F32),
        case(Tier::Edge, [0, 4, 3], DType::Bf16).data("signed"),
        case(Tier::Edge, [2, 4, 3], DType::F64),
        case(Tier::Check, [2, 9, 7], DType::F32),
        case(Tier::Check, [2, 8, 5], DType::F64),
        case(Tier::Check, [0, 4, 9], DType::F64),
        case(Tier::Check, [9, 6, 7], DType::F32),
        case(Tier::Check, [0, 5, 5], DType::F16).data("signed"),
        case(Tier::Bench, [1024, 64, 64], DType::F32),
    ]
}
