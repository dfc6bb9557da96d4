//! The gradient of [`inverse()`](crate::linalg::inverse()).
//!
//! # Math
//!
//! ```text
//! y = a^-1        da = -yᵀ dy yᵀ
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `y`, `dy` | `[.., n, n]`: the inverse, and the gradient by it | f32, f64, f16, bf16 |
//! | `da` | `[.., n, n]` | that of `y` |
//!
//! # Numerics
//!
//! Two products in f32 (f64 for f64), rounded once at the end. Off by `2 n + 3` roundings relative to `|yᵀ| |dy| |yᵀ|`; judged by central
//! differences in f64. The inverse of a singular matrix is NaN, and so is its gradient. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Any extents, 0 included.
//!
//! # Sources
//!
//! Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), 2.2.3.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::inverse_bw;
//!
//! let y = Tensor::from_vec(vec![0.5f32], [1, 1])?; // of a = 2, where the derivative of 1 / a is -1/4
//! let dy = Tensor::from_vec(vec![1.0f32], [1, 1])?;
//! assert_eq!(inverse_bw(&Stream::cpu(), &y, &dy)?.to_vec::<f32>()?, [-0.25]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::{Extents, check_like};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "inverse_bw";

/// The gradient by `a`, of the inverse `y` and the gradient by it.
///
/// # Errors
/// `y` not of square matrices; `dy` of another shape; another dtype than listed, or two; another device than the stream's; f64 where kernels
/// are Metal.
pub fn inverse_bw(stream: &Stream, y: &Tensor, dy: &Tensor) -> Result<Tensor> {
    Extents::square(NAME, stream, "y", y)?;
    check_f64(NAME, stream.device(), y.dtype())?;
    check_like(NAME, stream, "dy", dy, y, y.dims())?;
    let (wide, dy) = (widened(stream, y)?, widened(stream, dy)?);
    let left = Matmul { transpose_a: true, alpha: -1.0, ..Matmul::default() };
    let right = Matmul { transpose_b: true, ..Matmul::default() };
    let half = matmul(stream, &wide, &dy, None, &left)?;
    narrowed(stream, matmul(stream, &half, &wide, None, &right)?, y.dtype())
}
