//! Least squares.
//!
//! # Math
//!
//! ```text
//! x = the shortest of those that make |b - a x| least
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `b` | `[.., m, p]` or `[.., m]`; the leading axes are those of `a` | that of `a` |
//! | `x` | `[.., n, p]` or `[.., n]` | that of `a` |
//! | `rank` | `[..]` | i32 |
//! | `residuals` | `[.., p]` or `[..]`: the squares of the columns of `b - a x`; absent where m <= n | that of `a` |
//! | `s` | `[.., min(m, n)]`: the singular values; absent with method `qr` | that of `a` |
//!
//! What is absent is empty, `[.., 0]`, where the kernel is run by its name: from files or from Python.
//!
//! A matrix with a NaN or an infinity has an x, residuals and s that are not finite, and by method `svd` the rank -1. Residuals of a matrix of a rank below n are given
//! too, where NumPy gives none at all.
//!
//! # Numerics
//!
//! In f32 (f64 for f64). Method `svd`, the default, is right for any rank: singular values of at most `rcond` times the largest count as zeros,
//! by default `max(m, n) eps` with eps that of the dtype of `a`. Method `qr` is for m >= n and full rank, and several times as fast: x solves
//! `r x = qᵀ b`; where the k-th is the first zero of r's diagonal, the rank is k - 1 and x is NaN. Judged by
//! `|aᵀ (b - a x)| / (max(m, n) |a| (|a| |x| + |b|) eps)`, and by how much of x lies beside the rows of a, both under 30. Deterministic.
//!
//! # Constraints
//!
//! As [`svd()`](crate::linalg::svd()), and with method `qr` as [`qr_reflectors()`](crate::linalg::qr_reflectors()).
//!
//! # Sources
//!
//! LAPACK `GELS`, `GELSS`; NumPy's `lstsq`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Lstsq, lstsq};
//!
//! let a = Tensor::from_vec(vec![1.0f64, 0.0, 1.0, 1.0, 1.0, 2.0], [3, 2])?;
//! let b = Tensor::from_vec(vec![1.0f64, 3.0, 5.0], [3])?;
//! let x = lstsq(&Stream::cpu(), &a, &b, &Lstsq::default())?.x.to_vec::<f64>()?;
//! assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cases::rcond;

use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::apply_q::{Target, apply};
use super::convert::{narrowed, widened};
use super::extents::{Extents, right_sides};
use super::host::with_real;
use super::qr_reflectors::wide_reflectors;
use super::truncate::{tolerance, truncated};
use super::{Svd, TriangularSolve, svd, triangular_solve};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "lstsq";

/// How [`lstsq()`] gets there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LstsqMethod {
    /// By singular values: right for any rank.
    #[default]
    Svd,
    /// By reflections: for m >= n and full rank.
    Qr,
}

impl FromStr for LstsqMethod {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "svd" => Ok(LstsqMethod::Svd),
            "qr" => Ok(LstsqMethod::Qr),
            other => Err(Error::range(NAME, "method", "svd or qr", other)),
        }
    }
}

/// The arguments of [`lstsq()`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lstsq {
    /// How x is found. Default: by singular values.
    pub method: LstsqMethod,
    /// Singular values of at most so much times the largest one count as zeros. Default: `max(m, n) eps`.
    pub rcond: Option<f64>,
}

/// The result of [`lstsq()`].
#[derive(Debug, Clone)]
pub struct LeastSquares {
    /// The solutions.
    pub x: Tensor,
    /// `[..]`, i32.
    pub rank: Tensor,
    /// The squares of the lengths of the columns of `b - a x`; `None` where m <= n.
    pub residuals: Option<Tensor>,
    /// The singular values; `None` with [`LstsqMethod::Qr`].
    pub s: Option<Tensor>,
}

/// The x of each system of a batch.
///
/// # Errors
/// `b` of other leading axes or another m; those of [`svd()`](svd::svd()) or [`qr_reflectors()`](crate::linalg::qr_reflectors()); `rcond` below 0 or
/// not finite; m < n with method `qr`.
pub fn lstsq(stream: &Stream, a: &Tensor, b: &Tensor, args: &Lstsq) -> Result<LeastSquares> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let (m, n, dtype) = (extents.m, extents.n, a.dtype());
    let sides = right_sides(NAME, stream, b, a, &extents, m)?;
    let rcond = tolerance(NAME, args.rcond, m, n, dtype)?;
    if args.method == LstsqMethod::Qr && m < n {
        return Err(Error::shape(NAME, "a", "[.., m, n] with m >= n for method qr", a.shape()));
    }
    let (wide, sides) = (widened(stream, a)?, widened(stream, &sides)?);
    let p = sides.dims()[sides.rank() - 1];
    let (x, rank, s) = match args.method {
        LstsqMethod::Svd => by_svd(stream, &wide, &sides, &extents, rcond)?,
        LstsqMethod::Qr => by_qr(stream, &wide, &sides, &extents)?,
    };
    let residuals = (m > n).then(|| {
        let less = Matmul { alpha: -1.0, beta: 1.0, ..Matmul::default() };
        let rest = if n == 0 { sides.clone() } else { matmul(stream, &wide, &x, Some(&sides), &less)? };
        squares(stream, &rest, &extents, p)
    });
    // Without an axis of right-hand sides where b has none.
    let shape =
        |tail: &[usize]| extents.shape(if b.rank() == a.rank() { tail } else { &tail[..tail.len() - 1] });
    let narrow = |tensor: Tensor, tail: &[usize]| narrowed(stream, tensor.reshape(shape(tail))?, dtype);
    Ok(LeastSquares {
        x: narrow(x, &[n, p])?,
        rank,
        residuals: residuals.transpose().map_err(within)?.map(|squares| narrow(squares, &[p])).transpose()?,
        s: s.map(|s| narrowed(stream, s, dtype)).transpose()?,
    })
}

fn within(error: Error) -> Error {
    error.within(NAME)
}

type Solved = (Tensor, Tensor, Option<Tensor>);

fn by_svd(stream: &Stream, a: &Tensor, b: &Tensor, extents: &Extents, rcond: f64) -> Result<Solved> {
    let p = b.dims()[b.rank() - 1];
    let factors = svd(stream, a, &Svd::default()).map_err(within)?;
    let (u, vt) = (factors.u.expect("asked for"), factors.vt.expect("asked for"));
    let product = |a: &Tensor, b: &Tensor| {
        let turned = Matmul { transpose_a: true, ..Matmul::default() };
        matmul(stream, a, b, None, &turned).map_err(within)
    };
    let parts = product(&u, b)?; // [.., k, p]
    let (rank, parts) = truncated(stream, &factors.s, &parts, rcond)?;
    let x = if a.is_empty() || p == 0 {
        zeros(stream, a.dtype(), extents.shape(&[extents.n, p]))?
    } else {
        product(&vt, &parts)?
    };
    Ok((x, rank, Some(factors.s)))
}

fn by_qr(stream: &Stream, a: &Tensor, b: &Tensor, extents: &Extents) -> Result<Solved> {
    let (n, p) = (extents.n, b.dims()[b.rank() - 1]);
    check_f64(NAME, stream.device(), a.dtype())?;
    let packed = wide_reflectors(stream, a, extents)?;
    let turned = apply(stream, &packed.reflectors, &packed.tau, Target::Matrix(b), true, extents)?;
    let axis = extents.batch.len();
    let triangle = packed.reflectors.slice(axis, 0..n)?;
    let upper = TriangularSolve { upper: true, ..TriangularSolve::default() };
    let solved = triangular_solve(stream, &triangle, &turned.slice(axis, 0..n)?, &upper).map_err(within)?;
    let rank = match stream.device() {
        Device::Cpu => cpu::ranks(&solved.info, n)?,
        _ if solved.info.is_empty() => solved.info.clone(),
        _ => gpu::ranks(stream, &solved.info, n)?,
    };
    debug_assert_eq!(solved.x.dims(), extents.shape(&[n, p]));
    Ok((solved.x, rank, None))
}

/// The squares of the columns of `rest`, `[.., m, p]`.
fn squares(stream: &Stream, rest: &Tensor, extents: &Extents, p: usize) -> Result<Tensor> {
    let shape = extents.shape(&[p]);
    if rest.is_empty() {
        return zeros(stream, rest.dtype(), shape);
    }
    match stream.device() {
        Device::Cpu => with_real!(rest.dtype(), T => cpu::squares::<T>(rest, shape)),
        _ => gpu::squares(stream, rest, shape),
    }
}

fn zeros(stream: &Stream, dtype: DType, shape: Vec<usize>) -> Result<Tensor> {
    Tensor::zeros(dtype, shape)?.to(stream)
}
