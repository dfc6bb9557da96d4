//! The truth.

use crate::extended::evidence::Terms;

/// The terms of element `e`, which an exact sum adds up.
pub(super) fn extended_axpy(operands: &[[Vec<f64>; 2]], alpha: f64, e: usize) -> Terms {
    let [x, y] = [&operands[0], &operands[1]];
    vec![(alpha, x[0][e]), (alpha, x[1][e]), (y[0][e], 1.0), (y[1][e], 1.0)]
}
