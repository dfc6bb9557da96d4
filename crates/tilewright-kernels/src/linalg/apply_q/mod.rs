//! The product of Householder's reflections with a matrix, without forming it.
//!
//! # Math
//!
//! ```text
//! out = q c, or qᵀ c with `transpose`        q = h_1 .. h_k
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `reflectors` | `[.., m, n]`: of [`qr_reflectors()`](crate::linalg::qr_reflectors()); what lies below the diagonal is read | f32, f64, f16, bf16 |
//! | `tau` | `[.., k]`, k = min(m, n) | that of `reflectors` |
//! | `c` | `[.., m, p]` | that of `reflectors` |
//! | `out` | `[.., m, p]` | that of `reflectors` |
//!
//! The leading axes are equal. `c q` is `(qᵀ cᵀ)ᵀ`: transposed views make it so.
//!
//! # Numerics
//!
//! In f32 (f64 for f64), in blocks. Judged by LAPACK's ratio `|out - q c| / (m |c| eps)` with q formed in f64, under 30. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to 64 rows and columns, batches run side by side in vector lanes; otherwise blocked, with threads from 512 on.
//! - Metal, emulated: no f64. One group of threads for 32 columns of c.
//!
//! # Sources
//!
//! LAPACK `ORMQR`; Puglisi, "Modification of the Householder method based on the compact WY representation" (1992). Blocks are applied by
//! `faer` (MIT) on the CPU.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{ApplyQ, apply_q, qr_reflectors};
//!
//! let cpu = Stream::cpu();
//! let a = Tensor::from_vec(vec![3.0f64, 4.0], [2, 1])?;
//! let q = qr_reflectors(&cpu, &a)?;
//! let r = apply_q(&cpu, &q.reflectors, &q.tau, &a, &ApplyQ { transpose: true })?;
//! assert!((r.to_vec::<f64>()?[0] + 5.0).abs() < 1e-14);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::DTYPES;
use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use crate::arguments::{check_f64, check_same_dtype, check_tensor};

const NAME: &str = "apply_q";

/// The arguments of [`apply_q()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApplyQ {
    /// The transpose of the product is applied.
    pub transpose: bool,
}

/// What the reflections are applied to: `[.., m, p]`.
pub(super) enum Target<'a> {
    /// A matrix.
    Matrix(&'a Tensor),
    /// The first so many columns of the identity: no more of each block is touched than it changes.
    Identity(usize),
}

/// `q c` or `qᵀ c` of each matrix of a batch.
///
/// # Errors
/// Tensors whose shapes do not fit together, of another dtype than listed, or two, or on another device than the stream; f64 where kernels
/// are Metal.
pub fn apply_q(
    stream: &Stream,
    reflectors: &Tensor,
    tau: &Tensor,
    c: &Tensor,
    args: &ApplyQ,
) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "reflectors", reflectors)?;
    check_f64(NAME, stream.device(), reflectors.dtype())?;
    for (argument, tensor) in [("tau", tau), ("c", c)] {
        check_tensor(NAME, argument, stream, tensor, DTYPES)?;
        check_same_dtype(NAME, argument, tensor, reflectors)?;
    }
    let factors = extents.shape(&[extents.m.min(extents.n)]);
    if tau.dims() != factors {
        return Err(Error::shape(NAME, "tau", format!("{factors:?}"), tau.shape()));
    }
    let rows = extents.shape(&[extents.m]);
    if c.rank() != rows.len() + 1 || !c.dims().starts_with(&rows) {
        return Err(Error::shape(NAME, "c", format!("{rows:?} and p"), c.shape()));
    }
    let (reflectors, tau, wide) = (widened(stream, reflectors)?, widened(stream, tau)?, widened(stream, c)?);
    let out = apply(stream, &reflectors, &tau, Target::Matrix(&wide), args.transpose, &extents)?;
    narrowed(stream, out, c.dtype())
}

/// Of reflections in the dtype in which they are computed.
pub(super) fn apply(
    stream: &Stream,
    reflectors: &Tensor,
    tau: &Tensor,
    target: Target<'_>,
    transpose: bool,
    extents: &Extents,
) -> Result<Tensor> {
    let p = match target {
        Target::Matrix(c) => c.dims()[c.rank() - 1],
        Target::Identity(columns) => columns,
    };
    let shape = extents.shape(&[extents.m, p]);
    if shape.iter().product::<usize>() == 0 {
        return Tensor::empty(stream, reflectors.dtype(), shape);
    }
    match stream.device() {
        Device::Cpu => {
            with_real!(reflectors.dtype(), T => cpu::apply_q::<T>(reflectors, tau, &target, transpose, extents, &shape))
        }
        _ => gpu::apply_q(stream, reflectors, tau, &target, transpose, extents, &shape),
    }
}
