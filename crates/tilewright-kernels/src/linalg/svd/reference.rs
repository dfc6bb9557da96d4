//! The truth: what singular values and vectors have to satisfy, and the values themselves as eigenvalues.

use super::super::eigh::eigenvalues;
use super::super::ratios::{Matrix, ratio};

/// The singular values, descending: the upper half of the eigenvalues of the symmetric `[0 a; aᵀ 0]`, which has no square of a in it.
pub(in super::super) fn singular_values(a: &Matrix) -> Vec<f64> {
    let (m, n) = (a.m, a.n);
    let block = Matrix::new(m + n, m + n, |i, j| match (i < m, j < m) {
        (true, false) => a.at(i, j - m),
        (false, true) => a.at(j, i - m),
        _ => 0.0,
    });
    let values = eigenvalues(&block);
    values.into_iter().rev().take(m.min(n)).map(|x| x.max(0.0)).collect()
}

/// `|a - u s vᵀ| / (max(m, n) |a| eps)`, with the first min(m, n) vectors of each side
pub(super) fn backward_error(a: &Matrix, u: &Matrix, s: &[f64], vt: &Matrix, eps: f64) -> f64 {
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let a = a.scaled(scale);
    let us = Matrix::new(a.m, s.len(), |i, j| u.at(i, j) * (s[j] * scale));
    let vt = Matrix::new(s.len(), a.n, |i, j| vt.at(i, j));
    ratio(a.minus(&us.times(&vt)).norm(), a.norm(), a.m.max(a.n) as f64 * eps)
}
