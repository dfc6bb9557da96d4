//! Systems of linear equations.
//!
//! # Math
//!
//! ```text
//! a x = b
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `b` | `[.., n, k]` or `[.., n]` | that of `a` |
//! | `x` | that of `b` | that of `a` |
//! | `info` | `[..]` | i32 |
//!
//! The leading axes of `a` and `b` are equal; [`Tensor::broadcast_to`] makes them so without a copy. `info` is 0, or k where the k-th pivot
//! is the first that is exactly zero: then the matrix is singular and its `x` NaN throughout. It tells of zeros alone: a NaN in a matrix is in all of `x`
//! that depends on it, and an infinity as well, or, as in LAPACK, `x` is the solution in the limit, in which the unknown of an infinite pivot is 0.
//!
//! # Numerics
//!
//! [`lu()`](crate::linalg::lu()) and two triangular solves, in f32 (f64 for f64), but for variant `gram`: backward stable but for the growth of the elimination; judged
//! by LAPACK's ratio `|b - a x| / (|a| |x| eps)` in the 1-norm of each column, under 30, whatever the condition. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to n = 64, batches run side by side in vector lanes.
//! - Metal, emulated: no f64. As [`lu()`](crate::linalg::lu()), up to n = 16,384; up to 128, with at most 8 right-hand sides, a thread holds a row.
//! - CUDA, variant `gram` (Hopper, f32, f16 and bf16, n beyond 128, where cuBLAS is installed): the normal equations in f64, whose residual is that of f32
//!   whatever the condition that f32 knows; what they cannot tell from singular goes to elimination, on the same device. The host waits for a number of
//!   each matrix; not in a capture. Memory as for [`qr()`](crate::linalg::qr()).
//! - CUDA, variant `cusolver`: a single matrix beyond n = 256 where cuSOLVER is installed, of any size; not in a capture. Its results lie by
//!   columns.
//!
//! # Sources
//!
//! LAPACK `GESV`; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 9.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::solve;
//!
//! let a = Tensor::from_vec(vec![0.0f32, 2.0, 1.0, 1.0], [2, 2])?;
//! let b = Tensor::from_vec(vec![4.0f32, 5.0], [2])?;
//! let x = solve(&Stream::cpu(), &a, &b)?.checked()?;
//! assert_eq!(x.to_vec::<f32>()?, [3.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
mod gram;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use reference::limit;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::{Extents, right_sides};
use super::gram as normal;
use super::host::with_real;
use super::{Solution, lu, vendor};

const NAME: &str = "solve";

/// The x of each system of a batch.
///
/// # Errors
/// `a` not of square matrices; `b` of other leading axes or another n; another dtype than listed, or two; another device than the stream's;
/// what [`lu()`](lu::lu()) cannot do. A singular matrix is no error of the batch: see `info`.
pub fn solve(stream: &Stream, a: &Tensor, b: &Tensor) -> Result<Solution> {
    by(stream, None, a, b)
}

/// By a variant.
pub(super) fn by(stream: &Stream, variant: Option<&str>, a: &Tensor, b: &Tensor) -> Result<Solution> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    let known = variants(NAME, stream.device(), a.dtype(), &extents)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    let sides = right_sides(NAME, stream, b, a, &extents, extents.n)?;
    if b.is_empty() {
        let info = Tensor::zeros(DType::I32, extents.batch)?.to(stream)?;
        return Ok(Solution { x: Tensor::empty(stream, b.dtype(), b.shape())?, info });
    }
    let (wide, sides) = (widened(stream, a)?, widened(stream, &sides)?);
    let Solution { x, info } = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::solve::<T>(&wide, &sides, &extents)?),
        _ if variant == vendor::VARIANT => cuda::solve(stream, &wide, Some(&sides), &extents)?,
        _ if variant == normal::VARIANT => gram::solve(stream, &wide, Some(&sides), &extents)?,
        _ => gpu::solve(stream, &wide, &sides, &extents)?,
    };
    let x = narrowed(stream, x, a.dtype())?;
    // A library's x lies by columns: as it is, unless b has no axis for them.
    let x = if x.shape() == b.shape() { x } else { x.reshape(b.shape())? };
    Ok(Solution { x, info })
}

/// The variants for such matrices, the default first, or why there is none.
pub(super) fn variants(
    operation: &'static str,
    device: Device,
    dtype: DType,
    extents: &Extents,
) -> Result<Vec<&'static str>> {
    // What the first does not solve is left to the others, whose factors lie as triangular solves want them.
    let first = gram::takes(device, dtype, extents).then_some(normal::VARIANT);
    let others = lu::variants(operation, device, dtype, extents)?;
    Ok(first.into_iter().chain(others.into_iter().filter(|&variant| variant != lu::PANELS)).collect())
}

/// The inverses, where the device has a way of its own to them. `operation` is whose variants they are.
pub(super) fn inverse_at_once(
    operation: &'static str,
    stream: &Stream,
    variant: Option<&str>,
    a: &Tensor,
    extents: &Extents,
) -> Result<Option<Solution>> {
    let known = variants(operation, stream.device(), a.dtype(), extents)?;
    let variant = vendor::chosen(operation, stream, variant, &known)?;
    if a.is_empty() {
        return Ok(None);
    }
    let wide = widened(stream, a)?;
    let found = match (stream.device(), variant) {
        (Device::Cpu, _) => Some(with_real!(wide.dtype(), T => cpu::inverse::<T>(&wide, extents)?)),
        (_, vendor::VARIANT) => Some(cuda::solve(stream, &wide, None, extents)?),
        (_, normal::VARIANT) => Some(gram::solve(stream, &wide, None, extents)?),
        _ => gpu::in_registers(stream, &wide, None, extents)?,
    };
    let Some(Solution { x, info }) = found else { return Ok(None) };
    Ok(Some(Solution { x: narrowed(stream, x, a.dtype())?, info }))
}
