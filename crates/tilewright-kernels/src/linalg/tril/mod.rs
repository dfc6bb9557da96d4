//! Lower triangles of matrices.
//!
//! # Math
//!
//! ```text
//! out_ij = x_ij where j - i <= offset, 0 elsewhere
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x` | `[.., m, n]`, any strides | any |
//! | `out` | `[.., m, n]` | that of `x` |
//!
//! # Numerics
//!
//! Elements are moved, bit for bit. The gradient is the same function of the gradient.
//!
//! # Constraints
//!
//! GPUs: fewer than 2^32 elements. Metal, emulated: no f64.
//!
//! # Sources
//!
//! NumPy's `tril`, with its `k` as `offset`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::tril;
//!
//! let x = Tensor::from_vec(vec![1i32, 2, 3, 4], [2, 2])?;
//! assert_eq!(tril(&Stream::cpu(), &x, 0)?.to_vec::<i32>()?, [1, 0, 3, 4]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;
pub(super) use cases::{OFFSET, Registered, whole};

use tilewright_core::{Result, Stream, Tensor};

use super::placed::{Place, placed};

const NAME: &str = "tril";

/// What lies on and below the diagonal `offset` above the main one, of each matrix of a batch.
///
/// # Errors
/// `x` of fewer than 2 axes or on another device than the stream; 2^32 elements or more on a GPU; f64 where kernels are Metal.
pub fn tril(stream: &Stream, x: &Tensor, offset: i64) -> Result<Tensor> {
    placed(NAME, stream, x, Place::Lower, offset)
}
