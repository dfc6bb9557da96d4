//! The singular value decomposition.
//!
//! # Math
//!
//! ```text
//! a = u diag(s) vᵀ        uᵀ u = 1, vᵀ v = 1, s_1 >= s_2 >= .. >= 0
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `s` | `[.., k]`, k = min(m, n) | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `u` | `[.., m, k]`; `[.., m, m]` in mode `full`; absent in mode `values` | that of `a` |
//! | `vt` | `[.., k, n]`; `[.., n, n]` in mode `full`; absent in mode `values` | that of `a` |
//!
//! With `rank` k is that: of all matrices of such a rank `u diag(s) vᵀ` is the nearest to `a`. (Where a tenth of the values is wanted,
//! [`randomized_svd()`](crate::linalg::randomized_svd()) finds them alone.)
//!
//! `info` is 0, or 1 where a matrix holds a NaN or an infinity or does not converge; its results are NaN throughout.
//!
//! # Numerics
//!
//! Computed in f32 (f64 for f64), on the matrix over its largest element, so that no scale of it leaves the range. On the CPU, and where a GPU's
//! threadgroup memory holds a matrix of at most 128 columns, reflections make it bidiagonal, and implicit shifts (large ones on the CPU: divide and
//! conquer, whose factors are multiplied with vectors of signs; where that does not give what the matrix gives, shifts after all) diagonal. A single larger one of f32, f16 or bf16 on CUDA has the eigenvectors of `aᵀ a`, which are found in f64, on the right, and u is
//! `a v` over the values, or where those are next to nothing what reflections of it leave. Otherwise on GPUs `a = q r` first; then columns of rᵀ are
//! turned in pairs until all are orthogonal to rounding, relative to their own lengths. u is a product of reflections and turns, and so orthogonal
//! whatever the rank; rows of vt that belong to zeros complete the basis, a singular value under 1e-15 of the largest element (1e-30 in f64) being 0.
//! Each is off by a small multiple of `n eps |a|` at most. Judged by LAPACK's ratios `|a - u s vᵀ| / (max(m, n) |a| eps)`, `|1 - uᵀ u| / (m eps)`, `|1 -
//! v vᵀ| / (n eps)` under 30, and by the values themselves. The sign of a pair of vectors is not determined. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to 64 rows and columns, batches run side by side in vector lanes; otherwise faer, with threads from 512 on.
//! - Metal, emulated: no f64. One group of threads a matrix, made for batches: the smaller of m and n at most 1024, as pairs of columns are turned in
//!   registers;
//!   up to 128 columns a matrix stays on chip.
//! - CUDA: the same bound but for f32, f16 and bf16 where cuSOLVER is installed: a single matrix whose smaller side is beyond 128 goes by `eigh` of
//!   `aᵀ a`, variant `gram`: the host reads the eigenvalues to choose how vectors are made, and what
//!   [`eigh()`](crate::linalg::eigh()) leaves to it runs there; so does a batch beyond the bound, one matrix after the other.
//!
//! # Sources
//!
//! LAPACK `GESVJ`, `GEBRD`, `BDSQR`; de Rijk, "A one-sided Jacobi algorithm for computing the singular value decomposition on a vector computer"
//! (1989); Drmač and Veselić, "New fast and accurate Jacobi SVD algorithm" (2008), for the triangular factor. On the CPU large matrices run in
//! `faer` (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Svd, svd};
//!
//! let a = Tensor::from_vec(vec![0.0f32, 3.0, 4.0, 0.0], [2, 2])?;
//! let factors = svd(&Stream::cpu(), &a, &Svd::default())?.checked()?;
//! assert_eq!(factors.s.to_vec::<f32>()?, [4.0, 3.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cpu::single;
pub(super) use reference::singular_values;

use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::host::with_real;
use super::{check_converged, gram, jacobi, vendor};
use crate::arguments::{check_f64, only_variant};

const NAME: &str = "svd";

/// What [`svd()`] gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SvdMode {
    /// As many vectors on either side as there are values: min(m, n).
    #[default]
    Reduced,
    /// Square u and vt.
    Full,
    /// The values alone.
    Values,
}

impl FromStr for SvdMode {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "reduced" => Ok(SvdMode::Reduced),
            "full" => Ok(SvdMode::Full),
            "values" => Ok(SvdMode::Values),
            other => Err(Error::range(NAME, "mode", "reduced, full or values", other)),
        }
    }
}

/// The arguments of [`svd()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Svd {
    /// What is given. Default: the reduced form.
    pub mode: SvdMode,
    /// So many of the largest values, with their vectors; not in mode [`SvdMode::Full`]. Default: all.
    pub rank: Option<usize>,
}

/// The result of [`svd()`].
#[derive(Debug, Clone)]
pub struct SvdFactors {
    /// The left singular vectors, as columns; `None` in mode [`SvdMode::Values`].
    pub u: Option<Tensor>,
    /// The singular values, descending.
    pub s: Tensor,
    /// The right singular vectors, as rows; `None` in mode [`SvdMode::Values`].
    pub vt: Option<Tensor>,
    /// `[..]`, i32: 0, or 1 where a matrix has no result.
    pub info: Tensor,
}

impl SvdFactors {
    /// The same, or an error that names the first matrix without a result. Waits for the device.
    pub fn checked(self) -> Result<Self> {
        check_converged(NAME, &self.info)?;
        Ok(self)
    }

    /// The first `rank` values and vectors of each matrix, where they lie.
    pub(super) fn first(self, rank: usize) -> Result<Self> {
        let cut = |tensor: Tensor, from_end: usize| tensor.slice(tensor.rank() - from_end, 0..rank);
        Ok(SvdFactors {
            u: self.u.map(|u| cut(u, 1)).transpose()?,
            s: cut(self.s, 1)?,
            vt: self.vt.map(|vt| cut(vt, 2)).transpose()?,
            info: self.info,
        })
    }
}

/// The decomposition of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; what the device cannot do, see the
/// constraints; a `rank` of more than min(m, n), or beside mode `full`. A matrix without a result is no error of the batch: see `info`.
pub fn svd(stream: &Stream, a: &Tensor, args: &Svd) -> Result<SvdFactors> {
    run(stream, None, a, args)
}

fn run(stream: &Stream, variant: Option<&str>, a: &Tensor, args: &Svd) -> Result<SvdFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let known = variants(stream.device(), a.dtype(), &extents, args.mode)?;
    let variant = vendor::chosen(NAME, stream, variant, &known)?;
    if let Some(rank) = args.rank {
        let most = extents.m.min(extents.n);
        if rank > most {
            return Err(Error::range(NAME, "rank", format!("at most {most}"), rank));
        }
        if args.mode == SvdMode::Full {
            return Err(Error::range(NAME, "rank", "absent in mode full", rank));
        }
        return run(stream, Some(variant), a, &Svd { rank: None, ..*args })?.first(rank);
    }
    if extents.m < extents.n {
        // The factors of the transpose, the other way round.
        let SvdFactors { u, s, vt, info } = run(stream, Some(variant), &a.transpose()?, args)?;
        let turned = |factor: Option<Tensor>| factor.map(|factor| factor.transpose()).transpose();
        return Ok(SvdFactors { u: turned(vt)?, s, vt: turned(u)?, info });
    }
    if a.is_empty() {
        return empty(stream, a.dtype(), &extents, args.mode);
    }
    let wide = widened(stream, a)?;
    let SvdFactors { u, s, vt, info } = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::svd::<T>(&wide, &extents, args.mode)?),
        _ => gpu::svd(stream, &wide, &extents, args.mode, variant == gram::VARIANT)?,
    };
    let narrow =
        |factor: Option<Tensor>| factor.map(|factor| narrowed(stream, factor, a.dtype())).transpose();
    Ok(SvdFactors { u: narrow(u)?, s: narrowed(stream, s, a.dtype())?, vt: narrow(vt)?, info })
}

/// The variants for such matrices, the default first, or why there is none.
fn variants(device: Device, dtype: DType, extents: &Extents, mode: SvdMode) -> Result<Vec<&'static str>> {
    let (m, n) = (extents.m.max(extents.n), extents.m.min(extents.n));
    let upright = Extents { batch: extents.batch.clone(), m, n };
    check_f64(NAME, device, dtype)?;
    let own = jacobi::check(NAME, device, n).map(|()| only_variant(device));
    // A batch that nothing else takes goes one by one.
    let one = Extents { batch: Vec::new(), ..upright.clone() };
    let taken = cuda::takes(device, dtype, &upright, mode)
        || (own.is_err() && upright.batches() > 0 && cuda::takes(device, dtype, &one, mode));
    match taken {
        true => Ok([Some(gram::VARIANT), own.ok()].into_iter().flatten().collect()),
        false => Ok(vec![own?]),
    }
}

/// Says why a device cannot decompose such matrices.
pub(super) fn check(
    operation: &'static str,
    device: Device,
    dtype: DType,
    extents: &Extents,
    mode: SvdMode,
) -> Result<()> {
    variants(device, dtype, extents, mode).map(drop).map_err(|error| error.within(operation))
}

/// Of matrices without elements, m >= n.
fn empty(stream: &Stream, dtype: DType, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let (m, n) = (extents.m, extents.n);
    let columns = if mode == SvdMode::Full { m } else { n };
    let vectors = mode != SvdMode::Values;
    let identity = |rows: usize, columns: usize| {
        let one = |e: usize| f64::from(u8::from(e / columns == e % columns));
        let values: Vec<f64> =
            (0..extents.batches() * rows * columns).map(|e| one(e % (rows * columns))).collect();
        Tensor::from_f64(&values, dtype, extents.shape(&[rows, columns]))?.to(stream)
    };
    Ok(SvdFactors {
        u: vectors.then(|| identity(m, columns)).transpose()?,
        s: Tensor::empty(stream, dtype, extents.shape(&[n]))?,
        vt: vectors.then(|| identity(n, n)).transpose()?,
        info: Tensor::zeros(DType::I32, &extents.batch[..])?.to(stream)?,
    })
}
