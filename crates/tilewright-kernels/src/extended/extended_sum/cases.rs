//! Evidence: sums beside exact ones, of terms that cancel too.

use tilewright_core::{Case, DType, Kernel, Slot, Spec, Tier};

use super::{NAME, extended_sum, reference};
use crate::extended::DTYPES;
use crate::extended::evidence::Registered;
use crate::extended::rows::depth;

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    operands: |case| vec![vec![case.dim("r"), case.dim("n")]],
    shape: |case| vec![case.dim("r")],
    terms: |case, operands, e| reference::extended_sum(operands, case.dim("n"), e),
    depth: |case| depth(case.dim("n")),
    run: |stream, _, operands| extended_sum(stream, operands[0]),
    flops: |case| (case.dim("r") * case.dim("n")) as f64,
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "extended",
    math: "high + low = sum x_i, with twice the digits",
    inputs: &[Slot::new("x", "[.., n]"), Slot::optional("x_low", "[.., n]")],
    outputs: &[Slot::new("high", "[..]"), Slot::new("low", "[..]")],
    args: &[],
    dtypes: DTYPES,
};

fn cases() -> Vec<Case> {
    let case = |tier, [r, n]: [usize; 2], dtype| Case::new(tier, &[("r", r), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [3, 1], DType::F32),
        case(Tier::Edge, [5, 33], DType::F32).data("cancel"),
        case(Tier::Edge, [2, 301], DType::F32).data("pairs"),
        case(Tier::Edge, [3, 20], DType::F32).data("transposed"),
        case(Tier::Edge, [1, 16400], DType::F32),
        case(Tier::Edge, [3, 40], DType::F64).data("cancel"),
        case(Tier::Check, [40, 1000], DType::F32).data("cancel"),
        case(Tier::Check, [7, 1003], DType::F64).data("pairs"),
        case(Tier::Check, [2, 40000], DType::F32).data("pairs"),
        case(Tier::Bench, [4096, 4096], DType::F32),
        case(Tier::Bench, [1, 1 << 24], DType::F32),
    ]
}
