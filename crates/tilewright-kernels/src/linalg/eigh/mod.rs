//! Eigenvalues and eigenvectors of symmetric matrices.
//!
//! # Math
//!
//! ```text
//! a q = q diag(values)        a = aᵀ, qᵀ q = 1
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]`: one triangle is read, the lower one unless `upper` | f32, f64, f16, bf16 |
//! | `values` | `[.., n]`: ascending, unless `descending` | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `vectors` | `[.., n, n]`: as columns, in the order of the values; absent with `values_only` | that of `a` |
//!
//! `info` is 0, or 1 where a matrix holds a NaN or an infinity or does not converge; its results are NaN throughout.
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64), on the matrix over its largest element, so that no scale of it leaves the range. On the CPU, and where a GPU's
//! threadgroup memory holds a matrix of at most 128 columns, reflections make it tridiagonal, and implicit shifts (with vectors on the CPU, other than of
//! batches of small ones, and of larger ones on CUDA: divide and conquer) diagonal. Others on GPUs are made positive definite by a shift of 1.125 times the root of `|a²|` in Frobenius' norm, which bounds every eigenvalue; columns of their Cholesky factor are
//! turned in pairs until all are orthogonal to rounding: then they are eigenvectors, and the squares of their lengths less the shift eigenvalues.
//! Each value is off by a small multiple of `n eps |a|` at most; small ones have no relative accuracy of their own. Judged by LAPACK's ratios `|a -
//! q l qᵀ| / (n |a| eps)` and `|1 - qᵀ q| / (n eps)`, under 30, and by the values themselves. The sign of a vector is not determined.
//! Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to n = 64, batches run side by side in vector lanes; otherwise one by one, with threads from n = 512 on.
//! - GPUs: no f64 on Metal and emulated. One group of threads a matrix, made for batches: n up to 1024, as pairs of columns are turned in registers;
//!   up to 128 (emulated 64) a matrix stays on chip.
//! - CUDA, variant `divide`: a single matrix beyond n = 64, and matrices of a batch beyond n = 128 (of f64 64), while one lies in the registers of the whole device
//!   (on an H200 n up to 2112, and 1488 of f64), where cuBLAS is installed; not in a capture. It takes memory for six times the batch.
//! - CUDA, variant `cusolver`: the same and larger ones, where cuSOLVER is installed (for batches that of CUDA 12.6); not in a capture. Of a single matrix the
//!   library steers its divide and conquer **from the host**: its call ends when nearly all is done (of cuSOLVER 12.0 on an H200, after 11.0 of 11.0 ms at n = 1024 and 110 of
//!   114 ms at 4096, in f32). It asks for no workspace there, and on the device for about four times the matrix.
//!
//! # Sources
//!
//! LAPACK `SYEV`, `SYEVD`, `SYTRD`, `STEQR`, `GESVJ`; Veselić and Hari, "A note on a one-sided Jacobi algorithm" (1989), for the turns of a
//! Cholesky factor; Gu and Eisenstat, "A divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem" (1995), and LAPACK `STEDC`. On the CPU
//! `faer` (MIT) does the reduction, and values without vectors.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Eigh, eigh};
//!
//! let a = Tensor::from_vec(vec![2.0f64, 1.0, 1.0, 2.0], [2, 2])?;
//! let found = eigh(&Stream::cpu(), &a, &Eigh::default())?.checked()?;
//! let values = found.values.to_vec::<f64>()?;
//! assert!((values[0] - 1.0).abs() < 1e-14 && (values[1] - 3.0).abs() < 1e-14);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod divide;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cpu::single;
pub(super) use divide::VARIANT as DIVIDED;
pub(super) use reference::{eigenvalues, symmetric, value_error};

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{check_converged, jacobi, vendor};
use crate::arguments::{check_f64, only_variant};

const NAME: &str = "eigh";

/// The arguments of [`eigh()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Eigh {
    /// The upper triangle is read. Default: the lower one.
    pub upper: bool,
    /// The largest value comes first. Default: the smallest one.
    pub descending: bool,
    /// No vectors are given.
    pub values_only: bool,
}

/// The result of [`eigh()`].
#[derive(Debug, Clone)]
pub struct Eigen {
    /// `[.., n]`
    pub values: Tensor,
    /// `[.., n, n]`: column i belongs to value i. `None` with [`Eigh::values_only`].
    pub vectors: Option<Tensor>,
    /// `[..]`, i32: 0, or 1 where a matrix has no result.
    pub info: Tensor,
}

impl Eigen {
    /// The same, or an error that names the first matrix without a result. Waits for the device.
    pub fn checked(self) -> Result<Self> {
        check_converged(NAME, &self.info)?;
        Ok(self)
    }
}

/// The eigenvalues, and eigenvectors, of each matrix of a batch.
///
/// # Errors
/// `a` not of square matrices, of another dtype than listed, or on another device than the stream; what the device cannot do, see the
/// constraints. A matrix without a result is no error of the batch: see `info`.
pub fn eigh(stream: &Stream, a: &Tensor, args: &Eigh) -> Result<Eigen> {
    run(stream, None, a, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, args: &Eigh) -> Result<Eigen> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    let known = variants(stream.device(), a.dtype(), extents.batches(), extents.n)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    if a.is_empty() {
        let empty = |shape: Vec<usize>| Tensor::empty(stream, a.dtype(), shape);
        let vectors = (!args.values_only).then(|| empty(a.dims().to_vec())).transpose()?;
        let info = Tensor::zeros(DType::I32, &extents.batch[..])?.to(stream)?;
        return Ok(Eigen { values: empty(extents.shape(&[extents.n]))?, vectors, info });
    }
    let wide = widened(stream, a)?;
    let Eigen { values, vectors, info } = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::eigh::<T>(&wide, &extents, args)?),
        _ if variant == DIVIDED => divide::eigh(stream, &wide, &extents, args)?,
        _ if variant == vendor::VARIANT => cuda::eigh(stream, &wide, &extents, args)?,
        _ => gpu::eigh(stream, &wide, &extents, args)?,
    };
    let vectors = vectors.map(|vectors| narrowed(stream, vectors, a.dtype())).transpose()?;
    Ok(Eigen { values: narrowed(stream, values, a.dtype())?, vectors, info })
}

/// Beyond it a single matrix is faster by divide and conquer than by the portable body.
const TURNED: usize = 64;

/// Beyond it, where matrices fit no group's memory, those of a batch are.
const CHASED: usize = 128;

/// The variants for n x n matrices, the default first, or why there is none.
pub(super) fn variants(device: Device, dtype: DType, batches: usize, n: usize) -> Result<Vec<&'static str>> {
    check_f64(NAME, device, dtype)?;
    let own = jacobi::check(NAME, device, n);
    // f64 takes twice the memory there.
    let large = n > if batches > 1 && dtype != DType::F64 { CHASED } else { TURNED };
    let divided = (large && divide::takes(device, dtype, batches, n)).then_some(DIVIDED);
    let others = if batches > 1 && (n > CHASED || own.is_err()) && vendor::has_batches(device) {
        let own = own.is_ok().then(|| only_variant(device));
        Ok([Some(vendor::VARIANT), own].into_iter().flatten().collect())
    } else {
        vendor::variants(device, batches, (n, TURNED), own)
    };
    match divided {
        None => others,
        Some(divided) => Ok(std::iter::once(divided).chain(others.unwrap_or_default()).collect()),
    }
}
