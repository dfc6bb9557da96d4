//! The truth: what values and vectors have to satisfy, and the values themselves by Jacobi's own method.

use super::super::differences::{inverse, size};
use super::super::eigh::{eigenvalues, value_error};
use super::super::ratios::{Matrix, ratio};

/// The inverse of the lower factor of b, row by row.
fn inverse_factor(b: &Matrix) -> Matrix {
    let n = b.n;
    let mut l = Matrix::new(n, n, |_, _| 0.0);
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l.at(i, k) * l.at(j, k)).sum();
            let left = b.at(i, j) - sum;
            l.values[i * n + j] = if i == j { left.sqrt() } else { left / l.at(j, j) };
        }
    }
    inverse(&l)
}

/// `|b| |b^-1|`, in Frobenius' norm.
pub(super) fn condition(b: &Matrix) -> f64 {
    size(b) * size(&inverse(b))
}

/// `max |l - truth| / (n |c| eps)`, c being what the values are eigenvalues of, times the root of b's condition
pub(super) fn values_error(a: &Matrix, b: &Matrix, ascending: &[f64], eps: f64) -> f64 {
    let far = inverse_factor(b);
    let truth = eigenvalues(&far.times(a).times(&far.transposed()));
    value_error(ascending, &truth, eps) / condition(b).sqrt()
}

/// `|a x - b x l| / (n |a| |x| eps)` times the root of b's condition
pub(super) fn backward_error(a: &Matrix, b: &Matrix, values: &[f64], x: &Matrix, eps: f64) -> f64 {
    let scaled = Matrix::new(x.m, x.n, |i, j| x.at(i, j) * values[j]);
    let error = a.times(x).minus(&b.times(&scaled)).norm();
    ratio(error, a.norm() * x.norm() * condition(b).sqrt(), a.n as f64 * eps)
}

/// `|1 - xᵀ b x| / (n eps)` over b's condition
pub(super) fn orthogonality(b: &Matrix, x: &Matrix, eps: f64) -> f64 {
    let error = Matrix::identity(x.n).minus(&x.transposed().times(&b.times(x)));
    ratio(error.norm(), condition(b), x.n as f64 * eps)
}
