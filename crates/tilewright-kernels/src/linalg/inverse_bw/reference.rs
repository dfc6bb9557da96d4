//! The truth.

use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// Of the matrix that has the inverse `y`.
pub(super) fn inverse_bw(y: &Matrix, dy: &Matrix) -> Truth {
    let da = gradient(&inverse(y), |a| weighed(&inverse(a), dy));
    (da, size(y).powi(2) * size(dy))
}
