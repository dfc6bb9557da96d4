//! Evidence: products beside exact ones.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::{NAME, extended_matmul, reference};
use crate::extended::DTYPES;
use crate::extended::evidence::Registered;

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    operands: |case| {
        let [b, m, k, n] = sizes(case);
        vec![[batch(b), vec![m, k]].concat(), [batch(b), vec![k, n]].concat()]
    },
    shape: |case| {
        let [b, m, _, n] = sizes(case);
        [batch(b), vec![m, n]].concat()
    },
    terms: |case, operands, e| {
        let [_, m, k, n] = sizes(case);
        reference::extended_matmul(operands, [m, k, n], e)
    },
    depth: |case| case.dim("k"),
    run: |stream, _, operands| extended_matmul(stream, operands[0], operands[1]),
    flops: |case| {
        let [b, m, k, n] = sizes(case);
        2.0 * (b.max(1) * m * k * n) as f64
    },
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "extended",
    math: "high + low = a b, with twice the digits",
    inputs: &[
        Slot::new("a", "[.., m, k]"),
        Slot::new("b", "[.., k, n]"),
        Slot::optional("a_low", "[.., m, k]"),
        Slot::optional("b_low", "[.., k, n]"),
    ],
    outputs: &[Slot::new("high", "[.., m, n]"), Slot::new("low", "[.., m, n]")],
    args: &[],
    dtypes: DTYPES,
};

fn sizes(case: &Case) -> [usize; 4] {
    ["b", "m", "k", "n"].map(|name| case.dim(name))
}

/// The leading axes.
fn batch(b: usize) -> Vec<usize> {
    [b].into_iter().filter(|&b| b != 0).collect()
}

fn cases() -> Vec<Case> {
    let case = |tier, [b, m, k, n]: [usize; 4], dtype| {
        Case::new(tier, &[("b", b), ("m", m), ("k", k), ("n", n)], dtype)
    };
    vec![
        case(Tier::Edge, [0, 2, 0, 3], DType::F32),
        case(Tier::Edge, [0, 1, 1, 1], DType::F32),
        case(Tier::Edge, [2, 5, 7, 3], DType::F32).data("pairs"),
        case(Tier::Edge, [0, 17, 33, 18], DType::F32),
        case(Tier::Edge, [0, 3, 20, 16], DType::F32).data("transposed"),
        case(Tier::Edge, [2, 3, 5, 4], DType::F64).data("pairs"),
        case(Tier::Check, [3, 40, 100, 33], DType::F32).data("pairs"),
        case(Tier::Check, [0, 33, 70, 40], DType::F64),
        case(Tier::Bench, [0, 1024, 1024, 1024], DType::F32),
    ]
}
