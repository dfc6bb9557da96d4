//! What the registered kernels of this family have in common: slots, the argument by name, sizes of a case.

use tilewright_core::{ArgSpec, Args, Case, DType, Error, Result, Slot, Tensor, Tier, Work};

use super::cell::{Sizes, accumulator};
use super::{ForgetGate, Slstm, SlstmState};

/// The inputs of a sequence.
pub(super) const INPUTS: &[Slot] = &[
    Slot::new("x", "[b, nh, s, 4, d]"),
    Slot::new("r", "[nh, 4, d, d]"),
    Slot::optional("c", "[b, nh, d]"),
    Slot::optional("n", "[b, nh, d]"),
    Slot::optional("h", "[b, nh, d]"),
    Slot::optional("m", "[b, nh, d]"),
];

pub(super) const OUTPUTS: &[Slot] = &[
    Slot::new("h", "[b, nh, s, d]"),
    Slot::new("c_last", "[b, nh, d]"),
    Slot::new("n_last", "[b, nh, d]"),
    Slot::new("h_last", "[b, nh, d]"),
    Slot::new("m_last", "[b, nh, d]"),
];

pub(super) const ARGS: &[ArgSpec] =
    &[ArgSpec { name: "forget_gate", default: "sigmoid", doc: "sigmoid, or exponential" }];

/// The arguments of the cell.
pub(super) fn cell(args: &Args) -> Result<Slstm> {
    Ok(Slstm { forget_gate: args.text("forget_gate", &ForgetGate::default().to_string())?.parse()? })
}

/// x and r, and the state c n h m where there is one.
pub(super) fn inputs<'a>(
    operation: &'static str,
    tensors: &'a [Tensor],
) -> Result<(&'a Tensor, &'a Tensor, Option<SlstmState>)> {
    match tensors {
        [x, r] => Ok((x, r, None)),
        [x, r, c, n, h, m] => Ok((x, r, Some(SlstmState::from_parts([c, n, h, m].map(Tensor::clone))))),
        _ => Err(Error::range(operation, "inputs", "x r, then c n h m", tensors.len())),
    }
}

/// A case of these sizes.
pub(super) fn case(tier: Tier, [b, nh, s, d]: [usize; 4], dtype: DType) -> Case {
    Case::new(tier, &[("b", b), ("nh", nh), ("s", s), ("d", d)], dtype)
}

/// The sizes of a case; a step's has no s.
pub(super) fn sizes(case: &Case) -> Sizes {
    let s = if case.dims.iter().any(|(name, _)| *name == "s") { case.dim("s") } else { 1 };
    Sizes { b: case.dim("b"), nh: case.dim("nh"), s, d: case.dim("d") }
}

/// Whether data of this name comes with an initial state.
pub(super) fn has_state(data: &str) -> bool {
    !data.is_empty()
}

/// The least that a forward form does and moves: the recurrent product, and each input and output once.
pub(super) fn work(case: &Case) -> Work {
    let sizes = sizes(case);
    let (tokens, units) = ((sizes.b * sizes.nh * sizes.s) as f64, sizes.d as f64);
    let (data, sums) = (case.dtype.size() as f64, accumulator(case.dtype).size() as f64);
    let weights = (4 * sizes.nh) as f64 * units * units * data;
    let ends = if has_state(case.data) { 8.0 } else { 4.0 };
    let state = ends * sums * (sizes.b * sizes.nh) as f64 * units;
    // A unit's gates and cell are about 30 operations beside its products.
    Work {
        flops: tokens * units * (8.0 * units + 30.0),
        bytes: tokens * units * 5.0 * data + weights + state,
    }
}
