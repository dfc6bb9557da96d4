//! Inverses.
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
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `x` | `[.., n, n]` | that of `a` |
//! | `info` | `[..]` | i32 |
//!
//! `info` is 0, or k where the k-th pivot is the first that is exactly zero: then the matrix is singular and its `x` NaN throughout. What a NaN or an
//! infinity leads to is as in [`solve()`](crate::linalg::solve()).
//!
//! # Numerics
//!
//! [`solve()`](crate::linalg::solve()) for the columns of the identity; on GPUs up to n = 128, and on CPUs beyond n = 64, the product of both
//! triangles' inverses.
//! `|a x - 1| / (n |a| |x| eps)`, LAPACK's ratio, stays under 30 whatever the condition. To solve a system, solve it: that is faster and more
//! accurate than multiplying by an inverse. Deterministic.
//!
//! # Constraints
//!
//! As [`solve()`](crate::linalg::solve()).
//!
//! # Sources
//!
//! LAPACK `GETRI`; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 14, methods A and D.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::inverse;
//!
//! let a = Tensor::from_vec(vec![0.0f32, 2.0, 4.0, 0.0], [2, 2])?;
//! let x = inverse(&Stream::cpu(), &a)?.checked()?;
//! assert_eq!(x.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;
pub(super) use reference::error;

use tilewright_core::{Result, Stream, Tensor};

use super::extents::Extents;
use super::placed::identity;
use super::solve::inverse_at_once;
use super::{Solution, solve};
use crate::arguments::only_variant;

const NAME: &str = "inverse";

/// The inverse of each matrix of a batch.
///
/// # Errors
/// Those of [`solve()`].
pub fn inverse(stream: &Stream, a: &Tensor) -> Result<Solution> {
    run(stream, None, a)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor) -> Result<Solution> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    if let Some(inverses) = inverse_at_once(NAME, stream, variant, a, &extents)? {
        return Ok(inverses);
    }
    let identity = identity(stream, a.dtype(), extents.n, 1.0)?.broadcast_to(a.shape())?;
    solve::by(stream, Some(only_variant(stream.device())), a, &identity).map_err(|error| error.within(NAME))
}
