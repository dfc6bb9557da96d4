//! Signs and logarithms of determinants.
//!
//! # Math
//!
//! ```text
//! det a = sign exp(log)        log = ln |det a|
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `sign` | `[..]`: -1, 0 or 1 | that of `a` |
//! | `log` | `[..]`: of a singular matrix negative infinity | that of `a` |
//!
//! # Numerics
//!
//! As [`det()`](crate::linalg::det()), never out of range. The tolerance of `log` is the relative one of `det`, and 4 roundings of `log` and of
//! the exponent's part. Deterministic.
//!
//! # Constraints
//!
//! As [`det()`](crate::linalg::det()).
//!
//! # Sources
//!
//! NumPy `linalg.slogdet` for the form; otherwise as [`det()`](crate::linalg::det()).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::slogdet;
//!
//! let a = Tensor::from_vec(vec![0.0f32, 1.0, 1.0, 0.0], [2, 2])?;
//! let result = slogdet(&Stream::cpu(), &a)?;
//! assert_eq!(result.sign.to_vec::<f32>()?, [-1.0]);
//! assert_eq!(result.log.to_vec::<f32>()?, [0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::determinant::determinants;

const NAME: &str = "slogdet";

/// The result of [`slogdet()`].
#[derive(Debug, Clone)]
pub struct LogDeterminant {
    /// `[..]`: -1, 0 or 1.
    pub sign: Tensor,
    /// `[..]`: the logarithm of the absolute value.
    pub log: Tensor,
}

/// The sign of each matrix' determinant, and the logarithm of its absolute value.
///
/// # Errors
/// Those of [`det()`](crate::linalg::det()).
pub fn slogdet(stream: &Stream, a: &Tensor) -> Result<LogDeterminant> {
    let determinants = determinants(NAME, stream, a)?;
    Ok(LogDeterminant { sign: determinants.sign, log: determinants.log })
}
