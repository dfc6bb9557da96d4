//! The largest singular values and their vectors, by random projections and subspace iteration.
//!
//! # Math
//!
//! ```text
//! q = orth(a omega),  power times: q = orth(a orth(aᵀ q)),  qᵀ a = w diag(s) vᵀ,  u = q w        the first `rank` of each
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, n]` | f32, f64, f16, bf16 |
//! | `s` | `[.., rank]`, descending | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `u` | `[.., m, rank]` | that of `a` |
//! | `vt` | `[.., rank, n]` | that of `a` |
//!
//! `info` is 0, or 1 where a matrix holds a NaN or an infinity or does not converge; its results are NaN throughout.
//!
//! # Numerics
//!
//! omega has `rank + oversample` columns of standard normal numbers, a function of the seed alone; each product with `a` or its transpose is orthonormalized by
//! [`qr()`](crate::linalg::qr()), so that no direction is lost to rounding. In f32 (f64 for f64). Against the nearest matrix of that rank, which is s_(rank+1) away, the error in the 2-norm
//! is larger by a factor that the powers bring to 1: with c = 1 + root(rank / (oversample - 1)) + e root(rank + oversample) / oversample root(min(m, n) - rank),
//! `|a - u s vᵀ| <= (1 + c^(1 / (2 power + 1))) s_(rank+1)` in the mean. Judged by twice that, by LAPACK's ratios of orthogonality under 30, and exactly where the rank
//! of `a` is no more. Where rank + oversample is min(m, n) or more it is [`svd()`](crate::linalg::svd()). With `oversample = 0` it is subspace iteration, with rank 1 power iteration. Deterministic.
//!
//! # Constraints
//!
//! As [`qr()`](crate::linalg::qr()) of max(m, n) rows and rank + oversample columns, and [`svd()`](crate::linalg::svd()) of as many rows and n columns. All steps run on the stream's
//! device; it has no body of its own.
//!
//! # Sources
//!
//! Halko, Martinsson, Tropp, "Finding structure with randomness: probabilistic algorithms for constructing approximate matrix decompositions" (2011), algorithms 4.4
//! and 5.1, theorem 10.6 and corollary 10.10.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{RandomizedSvd, randomized_svd};
//!
//! let a = Tensor::from_vec((0..60).map(|e| ((e / 6 + 1) * (e % 6 + 1)) as f64).collect(), [10, 6])?; // of rank 1
//! let args = RandomizedSvd { rank: 1, oversample: 2, ..RandomizedSvd::default() };
//! let s = randomized_svd(&Stream::cpu(), &a, &args)?.checked()?.s.to_vec::<f64>()?;
//! assert!((s[0] - (385.0f64 * 91.0).sqrt()).abs() < 1e-12);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::normals::normals;
use super::qr;
use super::svd;
use super::{Qr, QrMode, Svd, SvdFactors, SvdMode};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "randomized_svd";

/// The arguments of [`randomized_svd()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomizedSvd {
    /// So many values and vectors. Default: 6.
    pub rank: usize,
    /// So many more columns than values are projected on. Default: 10.
    pub oversample: usize,
    /// How often the projection goes through `a aᵀ`. Default: 2.
    pub power: usize,
    /// Of the random numbers. Default: 0.
    pub seed: u64,
}

impl Default for RandomizedSvd {
    fn default() -> Self {
        RandomizedSvd { rank: 6, oversample: 10, power: 2, seed: 0 }
    }
}

/// Says why a device cannot do it.
fn check(device: Device, dtype: DType, extents: &Extents, args: &RandomizedSvd) -> Result<()> {
    let (m, n) = (extents.m, extents.n);
    let of = |m, n| Extents { batch: extents.batch.clone(), m, n };
    let width = args.rank.saturating_add(args.oversample);
    if width >= m.min(n) {
        return svd::check(NAME, device, dtype, extents, SvdMode::Reduced);
    }
    for rows in [m, n] {
        qr::check(NAME, device, dtype, &of(rows, width), QrMode::Reduced)?;
    }
    svd::check(NAME, device, dtype, &of(width, n), SvdMode::Reduced)
}

/// The largest singular values, with their vectors, of each matrix of a batch.
///
/// # Errors
/// `a` of fewer than 2 axes, of another dtype than listed, or on another device than the stream; a `rank` of more than min(m, n); what the device cannot do, see
/// the constraints. A matrix without a result is no error of the batch: see `info`.
pub fn randomized_svd(stream: &Stream, a: &Tensor, args: &RandomizedSvd) -> Result<SvdFactors> {
    let extents = Extents::of(NAME, stream, "a", a)?;
    let (m, n) = (extents.m, extents.n);
    if args.rank > m.min(n) {
        return Err(Error::range(NAME, "rank", format!("at most {}", m.min(n)), args.rank));
    }
    check(stream.device(), a.dtype(), &extents, args)?;
    let within = |error: Error| error.within(NAME);
    let width = args.rank.saturating_add(args.oversample);
    if width >= m.min(n) || a.is_empty() {
        return svd(stream, a, &Svd { rank: Some(args.rank), ..Svd::default() }).map_err(within);
    }
    let wide = widened(stream, a)?;
    let basis = |x: &Tensor, transpose_a: bool| {
        let product = matmul(stream, &wide, x, None, &Matmul { transpose_a, ..Matmul::default() })?;
        let q = qr(stream, &product, &Qr::default()).map_err(within)?.q;
        Ok::<Tensor, Error>(q.expect("reduced factors have it"))
    };
    let mut q = basis(&normals(stream, args.seed, wide.dtype(), &[n, width])?, false)?;
    for _ in 0..args.power {
        q = basis(&basis(&q, true)?, false)?;
    }
    let small = matmul(stream, &q, &wide, None, &Matmul { transpose_a: true, ..Matmul::default() })?;
    let found = svd(stream, &small, &Svd { rank: Some(args.rank), ..Svd::default() }).map_err(within)?;
    let (w, vt) = (found.u.expect("asked for"), found.vt.expect("asked for"));
    let u = matmul(stream, &q, &w, None, &Matmul::default())?;
    Ok(SvdFactors {
        u: Some(narrowed(stream, u, a.dtype())?),
        s: narrowed(stream, found.s, a.dtype())?,
        vt: Some(narrowed(stream, vt, a.dtype())?),
        info: found.info,
    })
}
