//! The truth.

use super::super::differences::{Truth, inverse, size};
use super::super::ratios::Matrix;

/// The inverse of `l lᵀ`, and the size that errors are relative to.
pub(super) fn cholesky_inverse(l: &Matrix) -> Truth {
    let far = inverse(l);
    let unit = size(&far).powi(3) * size(l);
    (far.transposed().times(&far), unit)
}
