//! The QR decomposition as Householder's reflections, not multiplied out.
//!
//! # Math
//!
//! ```text
//! a = h_1 .. h_k r        h_i = 1 - tau_i v_i v_iᵀ, v_i = (0, .., 0, 1, tail_i), k = min(m, n)
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `reflectors` | `[.., m, n]`: r on and above the diagonal, the tails of the v below it | that of `a` |
//! | `tau` | `[.., k]`: 0, where the reflection is the identity, or 1 to 2 | that of `a` |
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64). The diagonal of r has LAPACK's sign: that which makes the first element of v largest. Any m and n, any rank:
//! the product of the reflections is orthogonal to rounding even for a matrix of zeros. Columns are scaled where their squares would leave the
//! range, so that norms up to half of the largest number are right. In f16 and bf16 the reflections themselves are rounded, and so their
//! product is orthogonal only to that precision: take [`qr()`](crate::linalg::qr()) there. Judged by LAPACK's ratios, with the product formed
//! in f64: `|a - q r| / (m |a| eps)` and `|1 - qᵀ q| / (m eps)`, under 30. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to 64 rows and columns, batches run side by side in vector lanes; otherwise blocked, with threads from 512 on.
//! - Metal, emulated: no f64. One group of threads a matrix, made for batches; beyond 16,384 rows it goes column by column in memory.
//!
//! # Sources
//!
//! LAPACK `GEQRF`, `LARFG`; Puglisi, "Modification of the Householder method based on the compact WY representation" (1992). Blocks are applied
//! by `faer` (MIT) on the CPU.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::qr_reflectors;
//!
//! let a = Tensor::from_vec(vec![3.0f32, 4.0], [2, 1])?;
//! let q = qr_reflectors(&Stream::cpu(), &a)?;
//! assert_eq!(q.reflectors.to_vec::<f32>()?, [-5.0, 0.5]);
//! assert_eq!(q.tau.to_vec::<f32>()?, [1.6]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;
pub(super) use gpu::{COLUMNS as GPU_COLUMNS, HEADER as GPU_HEADER};
pub(super) use reference::product;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use crate::arguments::check_f64;

const NAME: &str = "qr_reflectors";

/// The result of [`qr_reflectors()`].
#[derive(Debug, Clone)]
pub struct Reflectors {
    /// `[.., m, n]`: r on and above the diagonal, the reflections' vectors below it.
    pub reflectors: Tensor,
    /// `[.., min(m, n)]`: the reflections' factors.
    pub tau: Tensor,
}

/// The reflections that make each matrix of a batch upper triangular.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; what the device cannot do, see the
/// constraints.
pub fn qr_reflectors(stream: &Stream, a: &Tensor) -> Result<Reflectors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let Reflectors { reflectors, tau } = wide_reflectors(stream, &widened(stream, a)?, &extents)?;
    Ok(Reflectors {
        reflectors: narrowed(stream, reflectors, a.dtype())?,
        tau: narrowed(stream, tau, a.dtype())?,
    })
}

/// Of `a` in the dtype that it is computed in.
pub(super) fn wide_reflectors(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Reflectors> {
    if a.is_empty() {
        let tau = Tensor::empty(stream, a.dtype(), extents.shape(&[0]))?;
        return Ok(Reflectors { reflectors: Tensor::empty(stream, a.dtype(), a.shape())?, tau });
    }
    match stream.device() {
        Device::Cpu => with_real!(a.dtype(), T => cpu::qr_reflectors::<T>(a, extents)),
        _ => gpu::qr_reflectors(stream, a, extents),
    }
}
