//! Orthonormal columns, completed to a basis of the whole space.
//!
//! # Math
//!
//! ```text
//! out = [q, c]        outᵀ out = 1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `q` | `[.., m, k]`, k <= m: orthonormal columns, or zeros, as `orthonormalize` gives them | f32, f64, f16, bf16 |
//! | `out` | `[.., m, m]` | that of `q` |
//!
//! Columns of `q` that are not zeros stand where they stood, bit for bit; the others are made.
//!
//! # Numerics
//!
//! [`qr_pivoted()`](crate::linalg::qr_pivoted()), whose permutation takes zeros last, in f32 (f64 for f64): the columns that are made are orthogonal to rounding to each
//! other, and to those of `q` as well as these are to one another. Judged by LAPACK's ratio `|1 - outᵀ out| / (m eps)` under 30. What the columns of `q` lack in
//! orthogonality, the result lacks too; columns of another length than 1 are for [`qr()`](crate::linalg::qr()). Deterministic.
//!
//! # Constraints
//!
//! As [`qr_pivoted()`](crate::linalg::qr_pivoted()).
//!
//! # Sources
//!
//! Golub and Van Loan, "Matrix Computations", section 5.2.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::complete_basis;
//!
//! let q = Tensor::from_vec(vec![0.6f64, 0.8], [2, 1])?;
//! let out = complete_basis(&Stream::cpu(), &q)?.to_vec::<f64>()?;
//! assert_eq!((out[0], out[2]), (0.6, 0.8));
//! assert!((out[1].abs() - 0.8).abs() < 1e-15 && (out[1] * 0.6 + out[3] * 0.8).abs() < 1e-15);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{Qr, QrMode, qr_pivoted};
use crate::arguments::check_f64;

const NAME: &str = "complete_basis";

/// A matrix as it was decomposed.
struct Parts<'a> {
    /// `[.., m, k]`
    given: &'a Tensor,
    /// `[.., m, m]`
    q: &'a Tensor,
    /// `[.., m, k]`
    r: &'a Tensor,
    /// `[.., k]`
    permutation: &'a Tensor,
    m: usize,
    k: usize,
}

/// The basis of each matrix of a batch.
///
/// # Errors
/// `q` of fewer than 2 axes, of more columns than rows, of another dtype than listed, or on another device than the stream; what
/// [`qr_pivoted()`](qr_pivoted::qr_pivoted()) cannot do.
pub fn complete_basis(stream: &Stream, q: &Tensor) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "q", q)?;
    check_f64(NAME, stream.device(), q.dtype())?;
    let (m, k) = (extents.m, extents.n);
    if k > m {
        return Err(Error::shape(NAME, "q", "[.., m, k] with k <= m", q.shape()));
    }
    let given = widened(stream, q)?;
    let factors = qr_pivoted(stream, &given, &Qr { mode: QrMode::Complete, nonnegative: false })?;
    let whole = factors.q.expect("complete factors have it");
    if q.is_empty() {
        return narrowed(stream, whole, q.dtype());
    }
    let parts = Parts { given: &given, q: &whole, r: &factors.r, permutation: &factors.permutation, m, k };
    let out = match stream.device() {
        Device::Cpu => with_real!(given.dtype(), T => cpu::placed::<T>(&parts)?),
        _ => gpu::placed(stream, &parts)?,
    };
    narrowed(stream, out, q.dtype())
}
