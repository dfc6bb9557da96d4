//! The truth: the matrix and its transpose, multiplied in f64.

use tilewright_core::{Result, Tensor};

use super::super::matmul::Truth;

/// The truth of `aᵀ a`, or of `a aᵀ`.
pub(super) fn truth(a: &Tensor, of_rows: bool) -> Result<Truth> {
    let transposed = a.transpose()?;
    let (left, right) = if of_rows { (a, &transposed) } else { (&transposed, a) };
    Truth::new(left, right, None, (1.0, 0.0))
}
