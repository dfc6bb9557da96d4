//! The truth: what the matrices have to satisfy.

use super::super::ratios::{self, Matrix};

/// `|1 - outᵀ out / gain²| / (max(m, n) eps)`, or of the rows where there are fewer
pub(super) fn orthogonality(out: &Matrix, gain: f64, eps: f64) -> f64 {
    let tall = if out.m < out.n { out.transposed() } else { out.clone() }.scaled(1.0 / gain);
    ratios::orthogonality(&tall, eps)
}
