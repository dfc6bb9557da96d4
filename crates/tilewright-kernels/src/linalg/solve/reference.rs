//! The truth: what the solution has to satisfy.

use super::super::ratios::Matrix;

/// `b - a x`
pub(super) fn residual(a: &Matrix, x: &Matrix, b: &Matrix) -> Matrix {
    b.minus(&a.times(x))
}
