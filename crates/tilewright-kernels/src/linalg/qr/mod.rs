//! The QR decomposition.
//!
//! # Math
//!
//! ```text
//! a = q r        qᵀ q = 1, r upper trapezoidal
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `r` | `[.., k, n]`, k = min(m, n); `[.., m, n]` in mode `complete` | that of `a` |
//! | `q` | `[.., m, k]`; `[.., m, m]` in mode `complete`; absent in mode `r` | that of `a` |
//!
//! The reflections themselves, LAPACK's `raw` form, are [`qr_reflectors()`](crate::linalg::qr_reflectors()).
//!
//! # Numerics
//!
//! Householder's reflections in f32 (f64 for f64): q is orthogonal to rounding whatever the condition, rank or scale of `a`. Variant `cholesky`
//! has the same bounds by Cholesky's factors of `aᵀ a` in f64, to which it adds numbers of 2^-22 of a column's length where columns depend on
//! others: `a - q r` is as small there, column by column. Variant `gram` takes the same factor of others, where it means something; matrices whose
//! columns depend on others, to roundings of f32, go to the reflections. So do matrices on the CPU that are computed in f32, have up to 128 columns, 1024 rows
//! or more and 8 times as many rows as columns. The diagonal of r has LAPACK's signs, but for tall matrices and those of the variants `cholesky` and
//! `gram`, whose r has none below zero; with `nonnegative` none has, and the decomposition of a matrix of full rank is unique. Judged by LAPACK's ratios
//! `|a - q r| / (m |a| eps)` and `|1 - qᵀ q| / (m eps)`, under 30. Norms of columns up to half of the largest number are right. A NaN or
//! an infinity spreads to what depends on it, at least to its column of r and to those of q from there on, in variant `cholesky` to all of its matrix.
//! Deterministic.
//!
//! # Constraints
//!
//! As [`qr_reflectors()`](crate::linalg::qr_reflectors()). On GPUs matrices of up to 128 rows and columns lie in registers throughout, and those
//! of up to 32 columns and more than 128 rows, of any number, are taken apart by a tree of pieces of rows. On Hopper matrices of f32, f16 and bf16 of up
//! to 256 columns, 512 rows or more and 8 times as many rows as columns, are variant `cholesky`; others of more than 128 columns, and no fewer rows, are
//! variant `gram` where cuBLAS is installed: the host waits for a number of each matrix, memory for five times its elements in f64 is taken, of 2 GiB of
//! matrices at a time, and it is not in a capture. A single matrix
//! whose smaller side is beyond 256, or of more than 4096 rows that are not in pieces, is otherwise variant `cusolver` where that is installed: the host submits its work and no
//! more, and its results lie by columns.
//!
//! # Sources
//!
//! LAPACK `GEQRF`, `ORGQR`, `GEQRFP`; Golub and Van Loan, "Matrix Computations", section 5.2; Demmel, Grigori, Hoemmen, Langou,
//! "Communication-optimal parallel and sequential QR and LU factorizations" (2012); Fukaya, Kannan, Nakatsukasa, Yamamoto, Yanagisawa, "Shifted
//! Cholesky QR for computing the QR factorization of ill-conditioned matrices" (2020).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Qr, qr};
//!
//! let a = Tensor::from_vec(vec![3.0f64, 4.0], [2, 1])?;
//! let factors = qr(&Stream::cpu(), &a, &Qr { nonnegative: true, ..Qr::default() })?;
//! assert!((factors.r.to_vec::<f64>()?[0] - 5.0).abs() < 1e-14);
//! assert!((factors.q.unwrap().to_vec::<f64>()?[1] - 0.8).abs() < 1e-15);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cholesky;
mod cpu;
mod cuda;
mod gpu;
mod gram;
mod reference;
mod tall;
mod tall_cpu;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use reference::{backward_error, gram_error, is_upper};

use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::apply_q::{Target, apply};
use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::gram as normal;
use super::host::with_real;
use super::qr_reflectors::{Reflectors, wide_reflectors};
use super::{panel, vendor};
use crate::arguments::check_f64;

const NAME: &str = "qr";

/// What [`qr()`] gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QrMode {
    /// q of as many columns as r has rows: min(m, n).
    #[default]
    Reduced,
    /// Square q, and r with rows of zeros where m > n.
    Complete,
    /// r alone.
    R,
}

impl QrMode {
    /// The rows of r and the columns of q, of an m x n matrix.
    pub(super) fn rows(self, m: usize, n: usize) -> usize {
        if self == QrMode::Complete { m } else { m.min(n) }
    }
}

impl FromStr for QrMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "reduced" => Ok(QrMode::Reduced),
            "complete" => Ok(QrMode::Complete),
            "r" => Ok(QrMode::R),
            other => Err(Error::range(NAME, "mode", "reduced, complete or r", other)),
        }
    }
}

/// The arguments of [`qr()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Qr {
    /// What is given. Default: the reduced form.
    pub mode: QrMode,
    /// No element of r's diagonal is negative. Default: LAPACK's signs.
    pub nonnegative: bool,
}

/// The result of [`qr()`].
#[derive(Debug, Clone)]
pub struct QrFactors {
    /// Orthonormal columns; `None` in mode [`QrMode::R`].
    pub q: Option<Tensor>,
    /// Upper trapezoidal.
    pub r: Tensor,
}

/// Whether the tree takes matrices apart by their rows.
fn in_pieces(extents: &Extents, mode: QrMode) -> bool {
    (1..=tall::COLUMNS).contains(&extents.n) && extents.m > 128 && mode != QrMode::Complete
}

/// Whether rows are neither in pieces nor enough of them in registers: a library's of any number of columns, where there is one.
fn is_in_memory(extents: &Extents, mode: QrMode) -> bool {
    extents.m > panel::WIDE && !in_pieces(extents, mode)
}

/// Whether `aᵀ a` is taken apart instead.
fn by_gram(device: Device, dtype: DType, extents: &Extents, mode: QrMode) -> bool {
    mode != QrMode::Complete && cholesky::takes(device, dtype, extents)
}

/// Whether a GPU decomposes such matrices of any number of rows.
pub(super) fn is_tall(device: Device, dtype: DType, extents: &Extents) -> bool {
    in_pieces(extents, QrMode::Reduced) || by_gram(device, dtype, extents, QrMode::Reduced)
}

/// Says why a device cannot decompose such matrices.
pub(super) fn check(
    operation: &'static str,
    device: Device,
    dtype: DType,
    extents: &Extents,
    mode: QrMode,
) -> Result<()> {
    variants(device, dtype, extents, mode).map(drop).map_err(|error| error.within(operation))
}

/// The variants for such matrices, the default first, or why there is none.
fn variants(device: Device, dtype: DType, extents: &Extents, mode: QrMode) -> Result<Vec<&'static str>> {
    check_f64(NAME, device, dtype)?;
    // The library gives no more columns of q than there are of a.
    let takes = extents.m >= extents.n && (mode != QrMode::Complete || extents.m == extents.n);
    let batches = if takes { extents.batches() } else { 0 };
    let large = if is_in_memory(extents, mode) { 0 } else { vendor::LARGE };
    let others = vendor::variants(device, batches, (extents.n, large), Ok(()))?;
    // What the first does not decompose is left to the others.
    let first = if by_gram(device, dtype, extents, mode) {
        Some(cholesky::VARIANT)
    } else {
        (takes && gram::takes(device, dtype, extents)).then_some(normal::VARIANT)
    };
    Ok(first.into_iter().chain(others).collect())
}

/// The decomposition of each matrix of a batch.
///
/// # Errors
/// Those of [`qr_reflectors()`](crate::linalg::qr_reflectors()).
pub fn qr(stream: &Stream, a: &Tensor, args: &Qr) -> Result<QrFactors> {
    run(stream, None, a, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, args: &Qr) -> Result<QrFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let (m, n, dtype) = (extents.m, extents.n, a.dtype());
    let known = variants(stream.device(), dtype, &extents, args.mode)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    let wide = widened(stream, a)?;
    let rows = args.mode.rows(m, n);
    let given = |q: Option<Tensor>, r: Tensor| {
        let q = q.map(|q| narrowed(stream, q, dtype)).transpose()?;
        Ok(QrFactors { q, r: narrowed(stream, r, dtype)? })
    };
    let on_gpu = stream.device() != Device::Cpu && !a.is_empty();
    if on_gpu
        && args.mode != QrMode::R
        && let Some((q, r)) = gpu::qr(stream, &wide, &extents, rows, args.nonnegative)?
    {
        return given(Some(q), r);
    }
    if on_gpu && variant == cholesky::VARIANT {
        let (q, r) = cholesky::qr(stream, &wide, &extents, args.mode != QrMode::R)?;
        return given(q, r);
    }
    if on_gpu && variant == normal::VARIANT {
        let (q, r) = gram::qr(stream, &wide, &extents, args.mode != QrMode::R)?;
        return given(q, r);
    }
    if on_gpu && variant != vendor::VARIANT && in_pieces(&extents, args.mode) {
        let (q, r) = tall::qr(stream, &wide, &extents, args.mode != QrMode::R, args.nonnegative)?;
        let q = q.map(|q| q.reshape(a.shape())).transpose()?;
        let square = Extents { m: n, ..extents };
        let shape = square.shape(&[n, n]);
        let (_, r) = gpu::finish(stream, &r, None, &square, &shape, args.nonnegative)?;
        return given(q, r);
    }
    if on_gpu && variant == vendor::VARIANT {
        let (q, r) = cuda::qr(stream, &wide, &extents, args.mode != QrMode::R, args.nonnegative)?;
        return given(q, r);
    }
    let on_cpu = stream.device() == Device::Cpu && !a.is_empty();
    if on_cpu
        && wide.dtype() == DType::F32
        && args.mode != QrMode::Complete
        && tall_cpu::takes(&extents)
        && let Some((q, r)) = tall_cpu::qr(&wide, &extents, args.mode != QrMode::R)?
    {
        return given(q, r);
    }
    if on_cpu && args.mode != QrMode::R {
        let found = with_real!(wide.dtype(), T => cpu::qr::<T>(&wide, &extents, rows, args.nonnegative)?);
        if let Some((q, r)) = found {
            return given(Some(q), r);
        }
    }
    let packed = wide_reflectors(stream, &wide, &extents)?;
    let (q, r) = formed(stream, &packed, &extents, args)?;
    given(q, r)
}

/// q and r out of reflections, in the dtype in which they were computed.
pub(super) fn formed(
    stream: &Stream,
    packed: &Reflectors,
    extents: &Extents,
    args: &Qr,
) -> Result<(Option<Tensor>, Tensor)> {
    let (m, n) = (extents.m, extents.n);
    let rows = args.mode.rows(m, n);
    let q = match args.mode {
        QrMode::R => None,
        _ => Some(apply(stream, &packed.reflectors, &packed.tau, Target::Identity(rows), false, extents)?),
    };
    let shape = extents.shape(&[rows, n]);
    match stream.device() {
        Device::Cpu => with_real!(packed.tau.dtype(), T => {
            cpu::finish::<T>(&packed.reflectors, q, extents, &shape, args.nonnegative)
        }),
        _ => gpu::finish(stream, &packed.reflectors, q, extents, &shape, args.nonnegative),
    }
}
