//! The QR decomposition with column pivoting, which shows the rank.
//!
//! # Math
//!
//! ```text
//! a[:, permutation] = q r        qᵀ q = 1, r upper trapezoidal, |r_kk| >= |(r_kj, .., r_jj)| for j > k
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `r` | `[.., k, n]`, k = min(m, n); `[.., m, n]` in mode `complete` | that of `a` |
//! | `permutation` | `[.., n]`: column j of `q r` is column `permutation[j]` of `a` | i32 |
//! | `q` | `[.., m, k]`; `[.., m, m]` in mode `complete`; absent in mode `r` | that of `a` |
//!
//! # Numerics
//!
//! Householder's reflections in f32 (f64 for f64), each of the longest of the columns that are left; of equal ones the first in their present order.
//! Lengths are brought up to date from step to step, and computed anew where that would leave less than half of their digits: so r's diagonal falls to
//! within n roots of eps. Of a matrix of rank k the rows of r from k on are a small multiple of `n eps |a|`, but for matrices made to hide it
//! (Kahan's). Scaled, so that lengths up to half of the largest number are right. Judged by LAPACK's ratios `|a p - q r| / (m |a| eps)` and `|1 - qᵀ q| / (m eps)`
//! under 30, and by the order of r's columns. A NaN spreads to what depends on it; the permutation remains one. Two devices may order columns
//! that are equally long to rounding in two ways. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to 64 rows and columns, batches run side by side in vector lanes; otherwise column by column, with threads from 512 on.
//! - Metal, emulated: no f64. One group of threads a matrix, made for batches; up to 32 rows and columns they stay in registers.
//!
//! # Sources
//!
//! LAPACK `GEQP3`; Businger and Golub, "Linear least squares solutions by Householder transformations" (1965); Drmač and Bujanović, "On the failure of
//! rank-revealing QR factorization software" (2008), for when a length is computed anew.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Qr, qr_pivoted};
//!
//! let a = Tensor::from_vec(vec![1.0f64, 0.0, 0.0, 0.0, 3.0, 4.0], [2, 3])?;
//! let factors = qr_pivoted(&Stream::cpu(), &a, &Qr { nonnegative: true, ..Qr::default() })?;
//! assert_eq!(factors.permutation.to_vec::<i32>()?, [2, 0, 1]);
//! assert_eq!(factors.r.to_vec::<f64>()?, [4.0, 0.0, 3.0, 0.0, 1.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use gpu::in_order;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::qr::formed;
use super::qr_reflectors::Reflectors;
use super::{Qr, QrMode};
use crate::arguments::check_f64;

const NAME: &str = "qr_pivoted";

/// The result of [`qr_pivoted()`].
#[derive(Debug, Clone)]
pub struct PivotedQrFactors {
    /// Orthonormal columns; `None` in mode [`QrMode::R`].
    pub q: Option<Tensor>,
    /// Upper trapezoidal, with a diagonal that falls.
    pub r: Tensor,
    /// `[.., n]`, i32: column j of `q r` is column `permutation[j]` of the matrix.
    pub permutation: Tensor,
}

/// Reflections, and in which order columns were taken.
struct Pivoted {
    packed: Reflectors,
    permutation: Tensor,
}

/// The decomposition of each matrix of a batch.
///
/// # Errors
/// Those of [`qr_reflectors()`](crate::linalg::qr_reflectors()).
pub fn qr_pivoted(stream: &Stream, a: &Tensor, args: &Qr) -> Result<PivotedQrFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let wide = widened(stream, a)?;
    let Pivoted { packed, permutation } = match stream.device() {
        _ if a.is_empty() => untouched(stream, &wide, &extents)?,
        Device::Cpu => with_real!(wide.dtype(), T => cpu::pivoted::<T>(&wide, &extents)?),
        _ => gpu::pivoted(stream, &wide, &extents)?,
    };
    let (q, r) = formed(stream, &packed, &extents, args)?;
    let q = q.map(|q| narrowed(stream, q, a.dtype())).transpose()?;
    Ok(PivotedQrFactors { q, r: narrowed(stream, r, a.dtype())?, permutation })
}

/// Of matrices without elements.
fn untouched(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Pivoted> {
    let columns: Vec<i32> = (0..extents.batches()).flat_map(|_| 0..extents.n as i32).collect();
    let empty = |shape: Vec<usize>| Tensor::empty(stream, a.dtype(), shape);
    Ok(Pivoted {
        packed: Reflectors { reflectors: empty(a.dims().to_vec())?, tau: empty(extents.shape(&[0]))? },
        permutation: Tensor::from_vec(columns, extents.shape(&[extents.n]))?.to(stream)?,
    })
}
