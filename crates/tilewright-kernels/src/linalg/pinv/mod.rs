//! The pseudoinverse of Moore and Penrose.
//!
//! # Math
//!
//! ```text
//! p = v diag(1 / s) uᵀ        over the singular values that are more than rcond s_1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `p` | `[.., n, m]` | that of `a` |
//!
//! The pseudoinverse of a matrix with a NaN or an infinity is NaN throughout.
//!
//! # Numerics
//!
//! `rcond` is relative; its default is `max(m, n) eps`, with eps that of the dtype of `a`. In f32 (f64 for f64), from
//! [`svd()`](crate::linalg::svd()); with c the condition of what is inverted, p is off by a small multiple of `max(m, n) c eps |p|`. Judged by
//! Penrose's equations `a p a = a`, `p a p = p`, and `a p`, `p a` symmetric, each over `max(m, n) c eps` and under 30. Deterministic.
//!
//! # Constraints
//!
//! As [`svd()`](crate::linalg::svd()).
//!
//! # Sources
//!
//! NumPy's `pinv`; Penrose, "A generalized inverse for matrices" (1955).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Pinv, pinv};
//!
//! let a = Tensor::from_vec(vec![2.0f64, 0.0, 0.0, 0.0], [2, 2])?;
//! let p = pinv(&Stream::cpu(), &a, &Pinv::default())?;
//! assert_eq!(p.to_vec::<f64>()?, [0.5, 0.0, 0.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::truncate::{tolerance, truncated};
use super::{Svd, svd};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "pinv";

/// The arguments of [`pinv()`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pinv {
    /// Singular values of at most so much times the largest one count as zeros. Default: `max(m, n) eps`.
    pub rcond: Option<f64>,
}

/// The pseudoinverse of each matrix of a batch.
///
/// # Errors
/// Those of [`svd()`](svd::svd()); `rcond` below 0 or not finite.
pub fn pinv(stream: &Stream, a: &Tensor, args: &Pinv) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let rcond = tolerance(NAME, args.rcond, extents.m, extents.n, a.dtype())?;
    if a.is_empty() {
        return Tensor::empty(stream, a.dtype(), extents.shape(&[extents.n, extents.m]));
    }
    let wide = widened(stream, a)?;
    let factors = svd(stream, &wide, &Svd::default()).map_err(|error| error.within(NAME))?;
    let (u, vt) = (factors.u.expect("asked for"), factors.vt.expect("asked for"));
    let (_, rows) = truncated(stream, &factors.s, &vt, rcond)?;
    let turned = Matmul { transpose_a: true, transpose_b: true, ..Matmul::default() };
    let p = matmul(stream, &rows, &u, None, &turned).map_err(|error| error.within(NAME))?;
    narrowed(stream, p, a.dtype())
}
