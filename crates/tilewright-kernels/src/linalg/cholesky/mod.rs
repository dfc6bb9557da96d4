//! Cholesky's factorization of symmetric positive definite matrices.
//!
//! # Math
//!
//! ```text
//! a = l lᵀ        l lower triangular, its diagonal positive;        with `upper`: a = uᵀ u
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]`: one triangle is read, the lower one unless `upper` | f32, f64, f16, bf16 |
//! | `factor` | `[.., n, n]`: `l` or `u`, with zeros beyond the diagonal | that of `a` |
//! | `info` | `[..]` | i32 |
//!
//! `info` is 0, or k where the leading minor of size k is not positive definite: the k-th pivot is not a positive finite number. The
//! factor of such a matrix is NaN throughout.
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64). Backward stable without pivoting: `|a - l lᵀ| <= (n + 1) eps |a|` to first order (Higham, theorem 10.3);
//! judged by LAPACK's ratio `|a - l lᵀ| / (n |a| eps)` in the 1-norm, under 30. Deterministic; the order of sums, and so the last bits,
//! depend on the device and on whether a matrix is one of a large batch.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to n = 64, batches run side by side in vector lanes; otherwise faer, with threads from n = 512 on.
//! - Metal, emulated: no f64. One group of threads a matrix at any n: made for batches; one large matrix does not fill a GPU.
//! - CUDA, variant `blocks` (f32, f16 and bf16, matrices of a batch beyond n = 128, where cuBLAS is installed): a group of threads for each block of 64
//!   columns of each matrix, the rest by products; not in a capture.
//! - CUDA, variant `tiles` (f32, f16 and bf16, a single matrix beyond n = 128, up to 4096): one launch, a group of threads for each tile of 32 x 32.
//! - CUDA, variant `cusolver`: a single matrix beyond n = 256 where cuSOLVER is installed, of any size; not in a capture. The host submits its work
//!   and no more (no workspace there); its results lie by columns.
//!
//! # Sources
//!
//! LAPACK `POTRF`; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 10. On the CPU large matrices run in `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Cholesky, cholesky};
//!
//! let a = Tensor::from_vec(vec![4.0f32, 2.0, 2.0, 5.0], [2, 2])?;
//! let l = cholesky(&Stream::cpu(), &a, &Cholesky::default())?.checked()?;
//! assert_eq!(l.to_vec::<f32>()?, [2.0, 0.0, 1.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod blocks;
mod cases;
mod cpu;
mod cuda;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;
mod tiles;

pub(super) use blocks::VARIANT as BLOCKS;
pub(crate) use cases::KERNEL;
pub(super) use cpu::single;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{check_info, vendor};
use crate::arguments::check_f64;

const NAME: &str = "cholesky";

/// The arguments of [`cholesky()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cholesky {
    /// The upper triangle is read and written. Default: the lower one.
    pub upper: bool,
}

/// The result of [`cholesky()`].
#[derive(Debug, Clone)]
pub struct CholeskyFactor {
    /// `[.., n, n]`: triangular, with zeros beyond the diagonal.
    pub factor: Tensor,
    /// `[..]`, i32: 0, or the size of the first leading minor that is not positive definite.
    pub info: Tensor,
}

impl CholeskyFactor {
    /// The factor, or an error that names the first matrix and pivot that failed. Waits for the device.
    pub fn checked(self) -> Result<Tensor> {
        check_info(NAME, &self.info, "not positive definite")?;
        Ok(self.factor)
    }
}

/// The triangular factor of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; f64 where kernels are Metal. A matrix
/// that is not positive definite is no error of the batch: see `info`.
pub fn cholesky(stream: &Stream, a: &Tensor, args: &Cholesky) -> Result<CholeskyFactor> {
    run(stream, None, a, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, args: &Cholesky) -> Result<CholeskyFactor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    let known = variants(stream.device(), a.dtype(), extents.batches(), extents.n)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    if a.is_empty() {
        let info = Tensor::zeros(DType::I32, extents.batch)?.to(stream)?;
        return Ok(CholeskyFactor { factor: Tensor::empty(stream, a.dtype(), a.shape())?, info });
    }
    let wide = widened(stream, a)?;
    let (factor, info) = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::cholesky::<T>(&wide, &extents, args.upper)?),
        _ if variant == blocks::VARIANT => blocks::cholesky(stream, &wide, &extents, args.upper)?,
        _ if variant == tiles::VARIANT => tiles::cholesky(stream, &wide, &extents, args.upper)?,
        _ if variant == vendor::VARIANT => cuda::cholesky(stream, &wide, &extents.batch, args.upper)?,
        _ => gpu::cholesky(stream, &wide, &extents, args.upper)?,
    };
    Ok(CholeskyFactor { factor: narrowed(stream, factor, a.dtype())?, info })
}

/// The variants for n x n matrices, the default first.
fn variants(device: Device, dtype: DType, batches: usize, n: usize) -> Result<Vec<&'static str>> {
    check_f64(NAME, device, dtype)?;
    let others = vendor::variants(device, batches, (n, vendor::LARGE), Ok(()))?;
    let tiles = tiles::takes(device, dtype, batches, n).then_some(tiles::VARIANT);
    let blocks = blocks::takes(device, dtype, batches, n).then_some(blocks::VARIANT);
    Ok(tiles.into_iter().chain(blocks).chain(others).collect())
}
