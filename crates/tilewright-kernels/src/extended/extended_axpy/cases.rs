//! Evidence: sums beside exact ones.

use tilewright_core::{ArgSpec, Args, Case, DType, Kernel, Result, Slot, Spec, Tier};

use super::{ExtendedAxpy, NAME, extended_axpy, reference};
use crate::extended::DTYPES;
use crate::extended::evidence::Registered;

pub(crate) const KERNEL: &dyn Kernel = &Registered {
    spec: &SPEC,
    cases,
    operands: |case| vec![vec![case.dim("r"), case.dim("n")]; 2],
    shape: |case| vec![case.dim("r"), case.dim("n")],
    terms: |case, operands, e| {
        let args = arguments(&case.args).expect("the cases' arguments are valid");
        reference::extended_axpy(operands, args.alpha, e)
    },
    depth: |_| 1,
    run: |stream, args, operands| extended_axpy(stream, operands[0], operands[1], &arguments(args)?),
    flops: |case| 2.0 * (case.dim("r") * case.dim("n")) as f64,
};

static SPEC: Spec = Spec {
    name: NAME,
    family: "extended",
    math: "high + low = alpha x + y, with twice the digits",
    inputs: &[
        Slot::new("x", "[..]"),
        Slot::new("y", "[..]"),
        Slot::optional("x_low", "[..]"),
        Slot::optional("y_low", "[..]"),
    ],
    outputs: &[Slot::new("high", "[..]"), Slot::new("low", "[..]")],
    args: &[ArgSpec { name: "alpha", default: "1", doc: "the factor of x; finite" }],
    dtypes: DTYPES,
};

fn arguments(args: &Args) -> Result<ExtendedAxpy> {
    Ok(ExtendedAxpy { alpha: args.float("alpha", 1.0)? })
}

fn cases() -> Vec<Case> {
    let case = |tier, [r, n]: [usize; 2], dtype| Case::new(tier, &[("r", r), ("n", n)], dtype);
    vec![
        case(Tier::Edge, [2, 0], DType::F32),
        case(Tier::Edge, [3, 5], DType::F32).set("alpha", 0.3),
        case(Tier::Edge, [5, 70], DType::F32).set("alpha", -1.7).data("pairs"),
        case(Tier::Edge, [7, 9], DType::F32).data("transposed"),
        case(Tier::Edge, [3, 5], DType::F64).set("alpha", 0.3).data("pairs"),
        case(Tier::Check, [31, 1000], DType::F32).set("alpha", 1e-3).data("pairs"),
        case(Tier::Check, [31, 1000], DType::F64).set("alpha", 1e3),
        case(Tier::Bench, [4096, 4096], DType::F32).set("alpha", 0.3),
    ]
}
