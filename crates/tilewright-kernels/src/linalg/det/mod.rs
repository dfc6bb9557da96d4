//! Determinants.
//!
//! # Math
//!
//! ```text
//! det = sign(permutation) u_11 u_22 .. u_nn        of a[permutation] = l u
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `det` | `[..]` | that of `a` |
//!
//! # Numerics
//!
//! [`lu()`](crate::linalg::lu()) in f32 (f64 for f64); the product is kept as a mantissa and an exponent, so that it overflows only where the
//! determinant does. A zero pivot gives exactly 0, a NaN in the matrix NaN, an infinity an infinity or NaN. The tolerance is the first-order effect of the elimination's backward error,
//! `|det| n eps (sum |a⁻¹|ᵀ |l| |u| + 2)`. Deterministic.
//!
//! # Constraints
//!
//! As [`lu()`](crate::linalg::lu()).
//!
//! # Sources
//!
//! Higham, "Accuracy and Stability of Numerical Algorithms", section 14.6; LINPACK `GEDI` for the mantissa and exponent.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::det;
//!
//! let a = Tensor::from_vec(vec![0.0f32, 2.0, 3.0, 0.0], [2, 2])?;
//! assert_eq!(det(&Stream::cpu(), &a)?.to_vec::<f32>()?, [-6.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;
pub(super) use reference::{determinant, eliminated};

use tilewright_core::{Result, Stream, Tensor};

use super::determinant::determinants;

const NAME: &str = "det";

/// The determinant of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, and those of [`lu()`](crate::linalg::lu()).
pub fn det(stream: &Stream, a: &Tensor) -> Result<Tensor> {
    Ok(determinants(NAME, stream, a)?.det)
}
