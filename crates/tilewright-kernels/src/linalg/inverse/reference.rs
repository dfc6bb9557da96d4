//! The truth: what an inverse has to satisfy.

use super::super::ratios::{Matrix, ratio};

/// `|a x - 1| / (n |a| |x| eps)`
pub(in super::super) fn error(a: &Matrix, x: &Matrix, eps: f64) -> f64 {
    let n = a.n as f64;
    ratio(a.times(x).minus(&Matrix::identity(a.n)).norm(), n * a.norm() * x.norm(), eps)
}
