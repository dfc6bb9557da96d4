//! The truth: the product, by the definition.

use super::super::ratios::{Matrix, ratio};

/// `|out - q c| / (m |c| eps)`, with qᵀ for q where transposed.
pub(super) fn error(q: &Matrix, c: &Matrix, out: &Matrix, transpose: bool, eps: f64) -> f64 {
    let product = if transpose { q.transposed().times(c) } else { q.times(c) };
    ratio(out.minus(&product).norm(), c.norm(), c.m as f64 * eps)
}
