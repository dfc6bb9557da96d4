//! Gaussian elimination: the factors of any matrix, with partial pivoting.
//!
//! # Math
//!
//! ```text
//! a[permutation] = l u        l unit lower trapezoidal, |l| <= 1; u upper trapezoidal
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `lu` | `[.., m, n]`: u on and above the diagonal, l below it, without its ones | that of `a` |
//! | `permutation` | `[.., m]`: row i of `l u` is row `permutation[i]` of `a` | i32 |
//! | `info` | `[..]` | i32 |
//!
//! `info` is 0, or k where the k-th pivot is the first that is exactly zero: the factors are complete, and u is singular.
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64). The pivot is the largest element of what is left of its column; of equal ones the first in the present
//! order of rows. `|a[p] - l u| <= n eps |l| |u|` (Higham, theorem 9.3); judged by LAPACK's ratio `|a[p] - l u| / (n |a| eps)`, under 30.
//! A NaN or an infinity spreads to what depends on it: columns before its own are as without it; the permutation remains one, and `info` tells of
//! zeros alone. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to 64 rows and columns, batches run side by side in vector lanes; otherwise recursive, with threads from
//!   512 on.
//! - Metal, emulated: no f64. One group of threads a matrix, made for batches; up to 16,384 rows, as a pivot is sought among
//!   rows that lie in registers.
//! - CUDA, variant `panels` (f32, f16 and bf16, more than 128 rows and columns, up to 1024 rows, where cuBLAS is installed): a group of threads for each
//!   panel of each matrix, the rest by products; not in a capture.
//! - CUDA, variant `cusolver`: a single matrix whose smaller side is beyond 256, or of more than 4096 rows, where cuSOLVER is installed, of any size; not in a capture. The
//!   host submits its work and no more (no workspace there); its results lie by columns.
//!
//! # Sources
//!
//! LAPACK `GETRF`; Toledo, "Locality of reference in LU decomposition with partial pivoting" (1997), for the recursion. Products and
//! triangular solves of the CPU path run in `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::lu;
//!
//! let a = Tensor::from_vec(vec![1.0f32, 2.0, 4.0, 4.0], [2, 2])?;
//! let factors = lu(&Stream::cpu(), &a)?;
//! assert_eq!(factors.lu.to_vec::<f32>()?, [4.0, 4.0, 0.25, 1.0]);
//! assert_eq!(factors.permutation.to_vec::<i32>()?, [1, 0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
mod panels;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cuda::{Columns, columns};
pub(super) use gpu::{HEADER as GPU_HEADER, check};
pub(super) use panels::VARIANT as PANELS;
pub(super) use reference::is_permutation;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{panel, vendor};
use crate::arguments::check_f64;

const NAME: &str = "lu";

/// The result of [`lu()`].
#[derive(Debug, Clone)]
pub struct LuFactors {
    /// `[.., m, n]`: u on and above the diagonal, l below it.
    pub lu: Tensor,
    /// `[.., m]`, i32: row i of `l u` is row `permutation[i]` of `a`.
    pub permutation: Tensor,
    /// `[..]`, i32: 0, or k where the k-th pivot is the first that is zero.
    pub info: Tensor,
}

/// The factors of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; what the device cannot do, see the
/// constraints. A singular matrix is no error: see `info`.
pub fn lu(stream: &Stream, a: &Tensor) -> Result<LuFactors> {
    by(stream, None, a)
}

/// By a variant.
pub(super) fn by(stream: &Stream, variant: Option<&str>, a: &Tensor) -> Result<LuFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let known = variants(NAME, stream.device(), a.dtype(), &extents)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    if a.is_empty() {
        let rows = (0..extents.batches()).flat_map(|_| 0..extents.m as i32).collect::<Vec<i32>>();
        return Ok(LuFactors {
            lu: Tensor::empty(stream, a.dtype(), a.shape())?,
            permutation: Tensor::from_vec(rows, extents.shape(&[extents.m]))?.to(stream)?,
            info: Tensor::zeros(DType::I32, extents.batch)?.to(stream)?,
        });
    }
    let wide = widened(stream, a)?;
    let factors = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::lu::<T>(&wide, &extents)?),
        _ if variant == vendor::VARIANT => cuda::lu(stream, &wide, &extents)?,
        _ if variant == panels::VARIANT => panels::lu(stream, &wide, &extents)?,
        _ => gpu::lu(stream, &wide, &extents)?,
    };
    Ok(LuFactors { lu: narrowed(stream, factors.lu, a.dtype())?, ..factors })
}

/// The variants for such matrices, the default first, or why there is none.
pub(super) fn variants(
    operation: &'static str,
    device: Device,
    dtype: DType,
    extents: &Extents,
) -> Result<Vec<&'static str>> {
    check_f64(operation, device, dtype)?;
    let own = check(operation, device, dtype, extents.m);
    // The library's exchanges of more rows are not followed.
    let batches = if extents.m <= vendor::ROWS { extents.batches() } else { 0 };
    let large = if extents.m > panel::WIDE { 0 } else { vendor::LARGE };
    let others = vendor::variants(device, batches, (extents.m.min(extents.n), large), own)?;
    let first = panels::takes(device, dtype, extents).then_some(panels::VARIANT);
    Ok(first.into_iter().chain(others).collect())
}
