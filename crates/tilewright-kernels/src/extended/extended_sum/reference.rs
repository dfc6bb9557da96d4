//! The truth.

use crate::extended::evidence::Terms;

/// The terms of row `e`: both parts of its elements, which an exact sum adds up.
pub(super) fn extended_sum(operands: &[[Vec<f64>; 2]], n: usize, e: usize) -> Terms {
    operands[0].iter().flat_map(|part| part[e * n..(e + 1) * n].iter().map(|&x| (x, 1.0))).collect()
}
