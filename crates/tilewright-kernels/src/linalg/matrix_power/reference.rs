//! The truth.

use super::super::differences::{Truth, inverse, size};
use super::super::ratios::Matrix;

/// One factor after the other; and the size that errors are relative to.
pub(super) fn matrix_power(a: &Matrix, exponent: i64) -> Truth {
    let factor = if exponent < 0 { inverse(a) } else { a.clone() };
    let count = exponent.unsigned_abs() as i32;
    let power = (0..count).fold(Matrix::identity(a.n), |power, _| power.times(&factor));
    // An inverse is known to the condition.
    let condition = if exponent < 0 { size(a) * size(&factor) } else { 1.0 };
    (power, f64::from(count) * size(&factor).powi(count) * condition)
}
