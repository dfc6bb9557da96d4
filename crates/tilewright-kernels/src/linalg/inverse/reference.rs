//! The truth: what an inverse has to satisfy.

use super::super::ratios::{Matrix, ratio};

/// `|a x - 1| / (n |a| |x| eps)`
pub(in super::super) fn error(a: &Matrix, x: &Matrix, eps: f64) -> f64 {
    error_of(a, x, &Matrix::identity(a.n), eps)
}

/// `|a x - b| / (n |a| |x| eps)`
pub(super) fn error_of(a: &Matrix, x: &Matrix, b: &Matrix, eps: f64) -> f64 {
    ratio(a.times(x).minus(b).norm(), a.n as f64 * a.norm() * x.norm(), eps)
}
