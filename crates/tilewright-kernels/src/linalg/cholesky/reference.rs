//! The truth: what a Cholesky factor has to satisfy.

use super::super::ratios::{Matrix, ratio};

/// The symmetric matrix whose triangle is read.
pub(super) fn symmetric(a: &Matrix, upper: bool) -> Matrix {
    Matrix::new(a.n, a.n, |i, j| if upper { a.at(i.min(j), i.max(j)) } else { a.at(i.max(j), i.min(j)) })
}

/// `|a - l lᵀ| / (n |a| eps)`
pub(super) fn backward_error(a: &Matrix, factor: &Matrix, upper: bool, eps: f64) -> f64 {
    // Divided by its largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let root = scale.sqrt();
    let a = symmetric(a, upper).scaled(scale);
    let l = if upper { factor.transposed() } else { factor.clone() }.scaled(root);
    ratio(a.minus(&l.times(&l.transposed())).norm(), a.norm(), a.n as f64 * eps)
}

/// Zeros beyond the diagonal, positive numbers on it.
pub(super) fn is_triangular(factor: &Matrix, upper: bool) -> bool {
    let right = |i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Equal => factor.at(i, j) > 0.0,
        order => (order == std::cmp::Ordering::Less) == upper || factor.at(i, j) == 0.0,
    };
    (0..factor.m).all(|i| (0..factor.n).all(|j| right(i, j)))
}

/// The size of the first leading minor that is not positive definite, or 0; by the definition, column by column.
pub(super) fn info(a: &Matrix, upper: bool) -> i32 {
    let (a, n) = (symmetric(a, upper), a.n);
    let mut l = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let rest: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let left = a.at(i, j) - rest;
            if i == j && !(left > 0.0 && left.is_finite()) {
                return j as i32 + 1;
            }
            l[i * n + j] = if i == j { left.sqrt() } else { left / l[j * n + j] };
        }
    }
    0
}
