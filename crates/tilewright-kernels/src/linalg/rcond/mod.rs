//! The reciprocal condition number of a matrix, estimated without its inverse.
//!
//! # Math
//!
//! ```text
//! rcond = 1 / (|a| b)        b <= |a⁻¹|, the largest |a⁻¹ x| / |x| that a climb over a few x finds
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `rcond` | `[..]` | that of `a` |
//!
//! 1 for a perfectly conditioned matrix and for one without elements; 0 for a singular one, which is one with a pivot that is exactly zero, and for
//! one with an infinity, whose norm is infinite; NaN for one with a NaN. So LAPACK.
//!
//! # Numerics
//!
//! [`lu()`](crate::linalg::lu()) of the matrix over a power of two, so that no scale of it leaves the range, and some five systems with its factors, in
//! f32 (f64 for f64). `b` is a lower bound of `|a⁻¹|`, so that `rcond` is never less than the truth but for roundings, `3 n eps |l| |u| / |a|` at
//! most; it is more than it by a factor that is 1 mostly, seldom beyond 3, and has no bound (Higham, section 15.3): judged by 10 on matrices that are
//! no counterexamples. Below `1e-38` of f32, 0 may take its place. [`cond()`](crate::linalg::cond()) gives the exact number, and takes an inverse or
//! singular values for it. Deterministic.
//!
//! # Constraints
//!
//! As [`lu()`](crate::linalg::lu()): on GPUs up to n = 4096, as the vector that the estimate climbs by lies in a group's memory. One group of threads a matrix estimates there; the host waits for nothing.
//!
//! # Sources
//!
//! LAPACK `GECON`, `LACN2`; Hager, "Condition estimates" (1984); Higham, "FORTRAN codes for estimating the one-norm of a real or complex matrix, with
//! applications to condition estimation", ACM TOMS 14 (1988), algorithm 4.1; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 15.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Rcond, rcond};
//!
//! let a = Tensor::from_vec(vec![4.0f32, 0.0, 0.0, 0.5], [2, 2])?;
//! assert_eq!(rcond(&Stream::cpu(), &a, &Rcond::default())?.to_vec::<f32>()?, [0.125]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::lu;

const NAME: &str = "rcond";

/// In which norm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RcondNorm {
    /// The largest sum of a column's absolute values.
    #[default]
    One,
    /// The largest sum of a row's.
    Infinity,
}

impl FromStr for RcondNorm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "one" | "1" => Ok(RcondNorm::One),
            "infinity" | "inf" => Ok(RcondNorm::Infinity),
            other => Err(Error::range(NAME, "norm", "one or infinity", other)),
        }
    }
}

/// The arguments of [`rcond()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rcond {
    /// In which norm. Default: the 1-norm.
    pub norm: RcondNorm,
}

/// Rows that a group's memory holds a vector of, and a thread the signs of its share.
const MOST: usize = 4096;

/// Says why a device cannot estimate that of n x n matrices.
fn check(device: Device, dtype: DType, n: usize) -> Result<()> {
    lu::check(NAME, device, dtype, n)?;
    if device != Device::Cpu && n > MOST {
        let why = format!("{n} rows; a vector of {MOST} fits a group's memory");
        return Err(Error::unsupported(NAME, device, why));
    }
    Ok(())
}

/// The reciprocal condition number of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; what [`lu()`](lu::lu()) cannot do. No matrix is
/// an error: see the shapes.
pub fn rcond(stream: &Stream, a: &Tensor, args: &Rcond) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check(stream.device(), a.dtype(), extents.n)?;
    if a.is_empty() {
        return Tensor::from_f64(&vec![1.0; extents.batches()], a.dtype(), extents.batch)?.to(stream);
    }
    let wide = match args.norm {
        RcondNorm::One => widened(stream, a)?,
        // The infinity norm is the 1-norm of the transpose, and so it is of the inverse.
        RcondNorm::Infinity => widened(stream, &a.transpose()?)?,
    };
    let found = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::rcond::<T>(&wide, &extents)?),
        _ => gpu::rcond(stream, &wide, &extents)?,
    };
    narrowed(stream, found, a.dtype())
}
