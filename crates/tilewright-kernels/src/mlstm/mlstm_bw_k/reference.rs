//! The truth: all pairs of the tokens of a stretch, from the state before it and the gradients after it.

use crate::mlstm::parts_cases::Given;

/// The gradient by keys, with error bounds.
pub(super) fn mlstm_bw_k(given: &Given, gradients: [Vec<f64>; 2]) -> Vec<(f64, f64)> {
    given.of_rows(1, gradients)
}
