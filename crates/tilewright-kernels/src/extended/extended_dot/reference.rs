//! The truth.

use crate::extended::evidence::{Terms, products};

/// The terms of row `e`: the products of both parts of both operands, which an exact sum adds up.
pub(super) fn extended_dot(operands: &[[Vec<f64>; 2]], n: usize, e: usize) -> Terms {
    (e * n..(e + 1) * n).flat_map(|i| products(&operands[0], i, &operands[1], i)).collect()
}
