//! Matrices that have vectors on a diagonal.
//!
//! # Math
//!
//! ```text
//! out_ij = x_min(i, j) where j - i = offset, 0 elsewhere
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x` | `[.., k]`, any strides | any |
//! | `out` | `[.., n, n]`, n = k + \|offset\| | that of `x` |
//!
//! What NumPy's `diag` does to a matrix, [`diagonal()`](crate::linalg::diagonal()) does: here every axis but the last one is a batch.
//!
//! # Numerics
//!
//! Elements are moved, bit for bit. The gradient is [`diagonal()`](crate::linalg::diagonal()) of the gradient.
//!
//! # Constraints
//!
//! GPUs: fewer than 2^32 elements. Metal, emulated: no f64.
//!
//! # Sources
//!
//! NumPy's `diag` of a vector, with its `k` as `offset`; PyTorch's `diag_embed`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::diag;
//!
//! let x = Tensor::from_vec(vec![1i32, 2], [2])?;
//! let out = diag(&Stream::cpu(), &x, -1)?;
//! assert_eq!(out.to_vec::<i32>()?, [0, 0, 0, 1, 0, 0, 0, 2, 0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::placed::{Place, placed};

const NAME: &str = "diag";

/// The matrices that have the vectors on the diagonal `offset` above the main one.
///
/// # Errors
/// `x` without axes or on another device than the stream; an `offset` beyond 32 bits; 2^32 elements or more on a GPU; f64 where kernels are Metal.
pub fn diag(stream: &Stream, x: &Tensor, offset: i64) -> Result<Tensor> {
    placed(NAME, stream, x, Place::Diagonal, offset)
}
