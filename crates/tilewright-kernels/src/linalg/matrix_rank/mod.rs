//! The rank of a matrix.
//!
//! # Math
//!
//! ```text
//! rank = how many singular values are more than rcond s_1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `rank` | `[..]` | i32 |
//!
//! A matrix with a NaN or an infinity has the rank -1.
//!
//! # Numerics
//!
//! `rcond` is relative; its default is `max(m, n) eps`, with eps that of the dtype of `a`. The singular values are those of
//! [`svd()`](crate::linalg::svd()), in f32 (f64 for f64). Exact on matrices whose singular values lie clearly on either side. Deterministic.
//!
//! # Constraints
//!
//! As [`svd()`](crate::linalg::svd()).
//!
//! # Sources
//!
//! NumPy's `matrix_rank`; Golub and Van Loan, "Matrix Computations", section 5.4.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{MatrixRank, matrix_rank};
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 2.0, 4.0], [2, 2])?;
//! assert_eq!(matrix_rank(&Stream::cpu(), &a, &MatrixRank::default())?.to_vec::<i32>()?, [1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::widened;
use super::extents::Extents;
use super::truncate::{tolerance, truncated};
use super::{Svd, SvdMode, svd};

const NAME: &str = "matrix_rank";

/// The arguments of [`matrix_rank()`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MatrixRank {
    /// Singular values of at most so much times the largest one count as zeros. Default: `max(m, n) eps`.
    pub rcond: Option<f64>,
}

/// The rank of each matrix of a batch.
///
/// # Errors
/// Those of [`svd()`](svd::svd()); `rcond` below 0 or not finite.
pub fn matrix_rank(stream: &Stream, a: &Tensor, args: &MatrixRank) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let rcond = tolerance(NAME, args.rcond, extents.m, extents.n, a.dtype())?;
    let wide = widened(stream, a)?;
    let s = svd(stream, &wide, &Svd { mode: SvdMode::Values, ..Svd::default() })
        .map_err(|error| error.within(NAME))?
        .s;
    let rows = s.unsqueeze(s.rank())?;
    Ok(truncated(stream, &s, &rows, rcond)?.0)
}
