//! The truth: what the factors have to satisfy.

use super::super::eigh::eigenvalues;
use super::super::ratios::{self, Matrix, ratio};

/// `|a - u h| / (max(m, n) |a| eps)`
pub(super) fn backward_error(a: &Matrix, u: &Matrix, h: &Matrix, eps: f64) -> f64 {
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let (a, h) = (a.scaled(scale), h.scaled(scale));
    ratio(a.minus(&u.times(&h)).norm(), a.norm(), a.m.max(a.n) as f64 * eps)
}

/// `|1 - uᵀ u| / (max(m, n) eps)`, or of the rows where there are fewer
pub(super) fn orthogonality(u: &Matrix, eps: f64) -> f64 {
    let tall = if u.m < u.n { u.transposed() } else { u.clone() };
    ratios::orthogonality(&tall, eps)
}

/// Whether it is, to the last bit.
pub(super) fn is_symmetric(h: &Matrix) -> bool {
    (0..h.n).all(|i| (0..i).all(|j| h.at(i, j).to_bits() == h.at(j, i).to_bits()))
}

/// How far the lowest eigenvalue is below zero, over `n |h| eps`
pub(super) fn negative(h: &Matrix, eps: f64) -> f64 {
    let scale = 1.0 / h.largest().max(f64::MIN_POSITIVE);
    let h = h.scaled(scale);
    let lowest = eigenvalues(&h).into_iter().fold(0.0, f64::min);
    ratio(-lowest, h.norm(), h.n as f64 * eps)
}
