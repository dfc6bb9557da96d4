//! Whether matrices are symmetric positive definite, within a relative tolerance.
//!
//! # Math
//!
//! ```text
//! spd = |a_ij - a_ji| <= rtol s  and  (a + aᵀ) / 2 - rtol s 1 has a Cholesky factor        s = max |a_ij|
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `spd` | `[..]`: 1 or 0 | i32 |
//!
//! # Numerics
//!
//! In f32 (f64 for f64). `rtol` is relative to the largest element; its default is `n eps`, with eps that of the dtype of `a`, so that a matrix is not
//! called definite that only its roundings make so. No scale of a matrix changes the answer. A matrix is definite whose lowest eigenvalue is more than `rtol s` by
//! the backward error of the factorization, `n eps s` at most, and is not where it is less by as much. One with a NaN or an infinity is not;
//! an empty one is. Deterministic.
//!
//! # Constraints
//!
//! As [`cholesky()`](crate::linalg::cholesky()).
//!
//! # Sources
//!
//! LAPACK `POTRF`; Higham, "Accuracy and Stability of Numerical Algorithms", theorem 10.7.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{IsSpd, is_spd};
//!
//! let a = Tensor::from_vec(vec![2.0f32, 1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0], [2, 2, 2])?;
//! assert_eq!(is_spd(&Stream::cpu(), &a, &IsSpd::default())?.to_vec::<i32>()?, [1, 0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{dense, widened};
use super::extents::Extents;
use super::host::with_real;
use super::norm::{Fold, vectors};
use super::{Cholesky, cholesky};
use crate::arguments::check_f64;

const NAME: &str = "is_spd";

/// The arguments of [`is_spd()`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct IsSpd {
    /// What counts as nothing, relative to the largest element. Default: `n eps`.
    pub rtol: Option<f64>,
}

/// The tolerance in force.
fn tolerance(args: &IsSpd, n: usize, dtype: DType) -> Result<f64> {
    match args.rtol {
        None => Ok(n as f64 * 2.0 * dtype.unit_roundoff()),
        Some(rtol) if (0.0..1.0).contains(&rtol) => Ok(rtol),
        Some(rtol) => Err(Error::range(NAME, "rtol", "at least 0 and below 1", rtol)),
    }
}

/// 1 for each matrix of a batch that is symmetric positive definite, and 0 for the others.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; `rtol` outside 0 .. 1; f64 where kernels are Metal.
pub fn is_spd(stream: &Stream, a: &Tensor, args: &IsSpd) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let rtol = tolerance(args, extents.n, a.dtype())?;
    if a.is_empty() {
        return Tensor::from_vec(vec![1i32; extents.batches()], extents.batch)?.to(stream);
    }
    let elements = extents.shape(&[extents.n * extents.n]);
    let wide = dense(stream, &widened(stream, a)?)?;
    let largest = |of: &Tensor| vectors(stream, &of.reshape(&elements[..])?, Fold::Largest);
    let size = largest(&wide)?;
    let (shifted, apart) = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::parts::<T>(&wide, &size, rtol, extents.n)?),
        _ => gpu::parts(stream, &wide, &size, rtol, extents.n)?,
    };
    let info = cholesky(stream, &shifted, &Cholesky::default())?.info;
    let apart = largest(&apart)?;
    match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::decided::<T>(&info, &apart, &size, rtol)),
        _ => gpu::decided(stream, &info, &apart, &size, rtol),
    }
}
