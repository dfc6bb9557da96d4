//! The inverse of a symmetric positive definite matrix, from its factor.
//!
//! # Math
//!
//! ```text
//! l lᵀ x = 1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `factor` | `[.., n, n]`: lower triangular, or upper with `upper` | f32, f64, f16, bf16 |
//! | `x` | `[.., n, n]`: symmetric to the last bit | that of `factor` |
//!
//! # Numerics
//!
//! Two triangular solves with the identity, and the mean with the transpose, in f32 (f64 for f64), rounded once at the end: off by a small multiple of n
//! roundings relative to `|l^-1|²` times the condition of l. A factor that is NaN, as that of a matrix that is not positive definite, has an inverse of NaN.
//! Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Any extents, 0 included.
//!
//! # Sources
//!
//! LAPACK `POTRI`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Cholesky, cholesky_inverse};
//!
//! let l = Tensor::from_vec(vec![2.0f32, 0.0, 0.0, 4.0], [2, 2])?;
//! let x = cholesky_inverse(&Stream::cpu(), &l, &Cholesky::default())?;
//! assert_eq!(x.to_vec::<f32>()?, [0.25, 0.0, 0.0, 0.0625]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::Extents;
use super::placed::identity;
use super::{Cholesky, CholeskySolve, cholesky_solve};
use crate::arguments::check_f64;

const NAME: &str = "cholesky_inverse";

/// The inverse of each matrix of a batch, of its factor.
///
/// # Errors
/// `factor` not of square matrices; another dtype than listed; another device than the stream's; f64 where kernels are Metal.
pub fn cholesky_inverse(stream: &Stream, factor: &Tensor, args: &Cholesky) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "factor", factor)?;
    check_f64(NAME, stream.device(), factor.dtype())?;
    let (wide, n) = (widened(stream, factor)?, extents.n);
    let identity = identity(stream, wide.dtype(), n, 1.0)?.broadcast_to(wide.shape())?;
    let x = cholesky_solve(stream, &wide, &identity, &CholeskySolve { upper: args.upper })
        .map_err(|error| error.within(NAME))?;
    narrowed(stream, elementwise(stream, &x, Step::Symmetric)?, factor.dtype())
}
