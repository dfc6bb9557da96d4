//! The truth: what the reflections' product has to satisfy, formed by the definition.

use super::super::ratios::{Matrix, ratio};

/// `h_1 .. h_k`, m x m, of vectors below the diagonal of `v`.
pub(in super::super) fn product(v: &Matrix, tau: &[f64]) -> Matrix {
    let m = v.m;
    let mut q = Matrix::identity(m);
    for (k, tau) in tau.iter().enumerate() {
        let vector = |i: usize| {
            if i == k {
                1.0
            } else if i > k {
                v.at(i, k)
            } else {
                0.0
            }
        };
        // q h = q - tau (q v) vᵀ
        let qv: Vec<f64> = (0..m).map(|i| (k..m).map(|j| q.at(i, j) * vector(j)).sum()).collect();
        q = Matrix::new(m, m, |i, j| q.at(i, j) - tau * qv[i] * vector(j));
    }
    q
}

/// `|a - q r| / (m |a| eps)`
pub(super) fn backward_error(a: &Matrix, q: &Matrix, reflectors: &Matrix, eps: f64) -> f64 {
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let a = a.scaled(scale);
    let r = Matrix::new(a.m, a.n, |i, j| if i <= j { reflectors.at(i, j) * scale } else { 0.0 });
    ratio(a.minus(&q.times(&r)).norm(), a.norm(), a.m as f64 * eps)
}

/// `|1 - qᵀ q| / (m eps)`
pub(super) fn orthogonality(q: &Matrix, eps: f64) -> f64 {
    ratio(Matrix::identity(q.m).minus(&q.transposed().times(q)).norm(), 1.0, q.m as f64 * eps)
}
