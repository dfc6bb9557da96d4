//! Inverses of triangular matrices.
//!
//! # Math
//!
//! ```text
//! a x = 1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]`: one triangle is read, the lower one unless `upper`; nor is the diagonal with `unit_diagonal`, which stands for ones | f32, f64, f16, bf16 |
//! | `x` | `[.., n, n]`: triangular likewise, with zeros beyond the diagonal | that of `a` |
//! | `info` | `[..]` | i32 |
//!
//! `info` is 0, or k where the k-th element of the diagonal is the first that is zero: then the matrix is singular and its `x` NaN throughout.
//!
//! # Numerics
//!
//! [`triangular_solve()`](crate::linalg::triangular_solve()) for the columns of the identity: `|a x - 1| / (n |a| |x| eps)`, LAPACK's ratio, stays under 30
//! whatever the condition. Deterministic.
//!
//! # Constraints
//!
//! As [`triangular_solve()`](crate::linalg::triangular_solve()). It has no body of its own.
//!
//! # Sources
//!
//! LAPACK `TRTRI`; Higham, "Accuracy and Stability of Numerical Algorithms", section 14.2.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{TriangularInverse, triangular_inverse};
//!
//! let a = Tensor::from_vec(vec![2.0f32, 9.0, 1.0, 4.0], [2, 2])?; // the 9 is not read
//! let x = triangular_inverse(&Stream::cpu(), &a, &TriangularInverse::default())?.checked()?;
//! assert_eq!(x.to_vec::<f32>()?, [0.5, 0.0, -0.125, 0.25]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::placed::identity;
use super::{Solution, TriangularSolve, triangular_solve};
use crate::arguments::check_f64;

const NAME: &str = "triangular_inverse";

/// The arguments of [`triangular_inverse()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TriangularInverse {
    /// `a` is upper triangular. Default: lower.
    pub upper: bool,
    /// The diagonal is taken as ones and not read.
    pub unit_diagonal: bool,
}

/// The inverse of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; f64 where kernels are Metal. A singular matrix is no
/// error of the batch: see `info`.
pub fn triangular_inverse(stream: &Stream, a: &Tensor, args: &TriangularInverse) -> Result<Solution> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let (wide, n) = (widened(stream, a)?, extents.n);
    let identity = identity(stream, wide.dtype(), n, 1.0)?.broadcast_to(wide.shape())?;
    let TriangularInverse { upper, unit_diagonal } = *args;
    let system = TriangularSolve { upper, unit_diagonal, ..TriangularSolve::default() };
    let Solution { x, info } =
        triangular_solve(stream, &wide, &identity, &system).map_err(|error| error.within(NAME))?;
    Ok(Solution { x: narrowed(stream, x, a.dtype())?, info })
}
