//! The truth: the recurrence from the first of the states on, which the others are states of.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_sequence::reference::{Numbers, at_boundaries};

/// h, denominators and stabilisers, with error bounds; `x` begins with the first of the states.
pub(super) fn mlstm_outputs(x: &Numbers, cell: &Mlstm, stretch: usize, sums: DType) -> [Vec<(f64, f64)>; 3] {
    let truth = at_boundaries(x, cell, stretch, sums);
    let largest = if sums == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
    // exp(-m) has no bound.
    let stored =
        |(value, error): (f64, f64)| if value > largest { (f64::INFINITY, 0.0) } else { (value, error) };
    [truth.h, truth.denominators.into_iter().map(stored).collect(), truth.stabilisers]
}
