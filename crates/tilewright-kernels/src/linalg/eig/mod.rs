//! Eigenvalues and eigenvectors of general matrices.
//!
//! # Math
//!
//! ```text
//! a v = v diag(w)        v and w complex, each column of v of length 1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `re`, `im` | `[.., n]`: real and imaginary parts of the values | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `vectors_re`, `vectors_im` | `[.., n, n]`: right eigenvectors as columns, in the order of the values; absent with `values_only` | that of `a` |
//!
//! The value of larger modulus comes first, of those of the same modulus that of the larger real part, then that of the larger imaginary part: of a
//! complex pair, which is conjugate to the last bit, that with the positive one. The vector of a real value is real; the longest component of a complex
//! one is real and positive. `info` is 0, or 1 where a matrix holds a NaN or an infinity or does not converge; its results are NaN throughout.
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64), on the matrix over its largest element, so that no scale of it leaves the range. It becomes Hessenberg by reflections
//! and quasi-triangular by QR steps with two shifts; small subdiagonal elements are told by Ahues and Tisseur's criterion, and every tenth step without
//! one takes exceptional shifts. Vectors are substituted out of the quasi-triangular form, with pivots of a rounding at least, and growth is taken back
//! before it overflows: so a matrix without n vectors has n columns that are eigenvectors to rounding, some of which are the same. The matrix is not
//! balanced: each value is one of a matrix off by a small multiple of `n eps |a|`, and so far from the truth as its condition makes of that. Judged by
//! `|a v - v w| / (n |a| eps)` under 30, by the lengths, by the sums of the values and of their squares, which are the traces of `a` and of its square, and by
//! an inverse iteration for each value. The sign of a real vector is not determined. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to n = 96 one thread a matrix; beyond, faer's steps with many shifts, with threads from n = 512 on.
//! - Metal, emulated: no f64.
//! - GPU: n up to 128, as each value has a thread of the one group that a matrix has; made for batches.
//!
//! # Sources
//!
//! LAPACK `GEEV`, `GEHRD`, `LAHQR`, `TREVC`; Francis, "The QR transformation" (1961, 1962); Ahues and Tisseur, "A new deflation criterion for the QR
//! algorithm", LAPACK Working Note 122 (1997). On the CPU large matrices run in `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Eig, eig};
//!
//! // A quarter turn: i and -i.
//! let a = Tensor::from_vec(vec![0.0f64, -1.0, 1.0, 0.0], [2, 2])?;
//! let found = eig(&Stream::cpu(), &a, &Eig::default())?.checked()?;
//! assert_eq!(found.re.to_vec::<f64>()?, [0.0, 0.0]);
//! assert_eq!(found.im.to_vec::<f64>()?, [1.0, -1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod francis;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cpu::single;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::check_converged;
use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use crate::arguments::check_f64;

const NAME: &str = "eig";

/// The arguments of [`eig()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Eig {
    /// No vectors are given.
    pub values_only: bool,
}

/// The result of [`eig()`].
#[derive(Debug, Clone)]
pub struct GeneralEigen {
    /// `[.., n]`: real parts of the values.
    pub re: Tensor,
    /// `[.., n]`: their imaginary parts.
    pub im: Tensor,
    /// `[.., n, n]`: real parts of the vectors; column i belongs to value i. `None` with [`Eig::values_only`].
    pub vectors_re: Option<Tensor>,
    /// `[.., n, n]`: their imaginary parts.
    pub vectors_im: Option<Tensor>,
    /// `[..]`, i32: 0, or 1 where a matrix has no result.
    pub info: Tensor,
}

impl GeneralEigen {
    /// The same, or an error that names the first matrix without a result. Waits for the device.
    pub fn checked(self) -> Result<Self> {
        check_converged(NAME, &self.info)?;
        Ok(self)
    }
}

/// The eigenvalues, and right eigenvectors, of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; what the device cannot do, see the
/// constraints. A matrix without a result is no error of the batch: see `info`.
pub fn eig(stream: &Stream, a: &Tensor, args: &Eig) -> Result<GeneralEigen> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check(stream.device(), a.dtype(), extents.n)?;
    let vectors = !args.values_only;
    if a.is_empty() {
        let empty = |shape: Vec<usize>| Tensor::empty(stream, a.dtype(), shape);
        let square = || vectors.then(|| empty(a.dims().to_vec())).transpose();
        let (re, im) = (empty(extents.shape(&[extents.n]))?, empty(extents.shape(&[extents.n]))?);
        let info = Tensor::zeros(DType::I32, &extents.batch[..])?.to(stream)?;
        return Ok(GeneralEigen { re, im, vectors_re: square()?, vectors_im: square()?, info });
    }
    let wide = widened(stream, a)?;
    let found = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::eig::<T>(&wide, &extents, vectors)?),
        _ => gpu::eig(stream, &wide, &extents, vectors)?,
    };
    let narrow = |part: Tensor| narrowed(stream, part, a.dtype());
    Ok(GeneralEigen {
        re: narrow(found.re)?,
        im: narrow(found.im)?,
        vectors_re: found.vectors_re.map(narrow).transpose()?,
        vectors_im: found.vectors_im.map(narrow).transpose()?,
        info: found.info,
    })
}

/// Says why a device cannot decompose n x n matrices.
fn check(device: Device, dtype: DType, n: usize) -> Result<()> {
    check_f64(NAME, device, dtype)?;
    gpu::check(device, n)
}
