//! The truth: what q and r have to satisfy.

use super::super::ratios::{Matrix, ratio};

/// `|a - q r| / (m |a| eps)`
pub(in super::super) fn backward_error(a: &Matrix, q: &Matrix, r: &Matrix, eps: f64) -> f64 {
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let (a, r) = (a.scaled(scale), r.scaled(scale));
    ratio(a.minus(&q.times(&r)).norm(), a.norm(), a.m as f64 * eps)
}

/// `|aᵀ a - rᵀ r| / (m |a|² eps)`, where there is no q
pub(in super::super) fn gram_error(a: &Matrix, r: &Matrix, eps: f64) -> f64 {
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let (a, r) = (a.scaled(scale), r.scaled(scale));
    let difference = a.transposed().times(&a).minus(&r.transposed().times(&r));
    ratio(difference.norm(), a.norm() * a.transposed().norm(), a.m as f64 * eps)
}

/// Zeros below the diagonal, and none of the diagonal below zero where that was asked for.
pub(in super::super) fn is_upper(r: &Matrix, nonnegative: bool) -> bool {
    let right =
        |i: usize, j: usize| (i <= j || r.at(i, j) == 0.0) && !(nonnegative && i == j && r.at(i, j) < 0.0);
    (0..r.m).all(|i| (0..r.n).all(|j| right(i, j)))
}
