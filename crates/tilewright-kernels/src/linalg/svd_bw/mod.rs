//! The gradient of [`svd()`](crate::linalg::svd()), reduced.
//!
//! # Math
//!
//! ```text
//! a = u diag(s) vᵀ        g = uᵀ du        h = vᵀ dv
//! da = u c vᵀ + (1 - u uᵀ) du diag(s)^-1 vᵀ + u diag(s)^-1 dvᵀ (1 - v vᵀ)
//! c_ii = ds_i,   c_ij = ((g_ij - g_ji) s_j + s_i (h_ij - h_ji)) / (s_j² - s_i²)
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `u`, `du` | `[.., m, k]`, k = min(m, n) | f32, f64, f16, bf16 |
//! | `s`, `ds` | `[.., k]` | that of `u` |
//! | `vt`, `dvt` | `[.., k, n]`: vᵀ, and the gradient by it | that of `u` |
//! | `da` | `[.., m, n]` | that of `u` |
//!
//! `du` and `dvt` may be missing, both of them: zeros.
//!
//! # Numerics
//!
//! Products and quotients of differences in f32 (f64 for f64), rounded once at the end: off by a small multiple of m + n roundings relative to
//! `|ds| + (|du| + |dv|) |s| / gap²`, the gap being the least distance of two singular values, or of one from 0; judged by central differences in f64.
//! **Repeated singular values, and those that are 0,** have spaces of vectors and no single ones: c_ij and 1 / s_i are then quotients by zero, so that the
//! gradient is infinite or NaN; the closer two values are, the larger it is. A loss of the values alone, without `du` and `dvt`, divides by nothing and is
//! finite always. The vectors of one value may both change their sign, and a loss has to be blind to it to be a function of a. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Any extents, 0 included.
//!
//! # Sources
//!
//! Townsend, "Differentiating the singular value decomposition" (2016), equations 22 to 24, transposed for the reverse mode.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::svd_bw;
//!
//! // The derivative of a singular value is u vᵀ.
//! let u = Tensor::from_vec(vec![0.6f32, 0.8, -0.8, 0.6], [2, 2])?;
//! let (s, ds) = (Tensor::from_vec(vec![3.0f32, 1.0], [2])?, Tensor::from_vec(vec![1.0f32, 0.0], [2])?);
//! let vt = Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 1.0], [2, 2])?;
//! let da = svd_bw(&Stream::cpu(), &u, &s, &vt, &ds, None)?;
//! assert_eq!(da.to_vec::<f32>()?, [0.6, 0.0, -0.8, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "svd_bw";

/// The gradient by `a`, of the reduced factors and the gradients by them: `ds`, and `(du, dvt)`.
///
/// # Errors
/// `u` and `vt` not of min(m, n) columns and rows, the others of shapes that do not fit; another dtype than listed, or two; another device than the
/// stream's; f64 where kernels are Metal.
pub fn svd_bw(
    stream: &Stream,
    u: &Tensor,
    s: &Tensor,
    vt: &Tensor,
    ds: &Tensor,
    vectors: Option<(&Tensor, &Tensor)>,
) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "u", u)?;
    check_f64(NAME, stream.device(), u.dtype())?;
    let (m, k, n) = (extents.m, extents.n, vt.dims().last().copied().unwrap_or(0));
    check_like(NAME, stream, "vt", vt, u, &extents.shape(&[k, n]))?;
    if k != m.min(n) {
        let expected = format!("min(m, n) = {} columns", m.min(n));
        return Err(Error::shape(NAME, "u", expected, u.shape()));
    }
    check_like(NAME, stream, "s", s, u, &extents.shape(&[k]))?;
    check_like(NAME, stream, "ds", ds, u, s.dims())?;
    if let Some((du, dvt)) = vectors {
        check_like(NAME, stream, "du", du, u, u.dims())?;
        check_like(NAME, stream, "dvt", dvt, u, vt.dims())?;
    }
    let dtype = u.dtype();
    let [u, s, vt, ds] = [u, s, vt, ds].map(|tensor| widened(stream, tensor));
    let (u, s, vt, ds) = (u?, s?, vt?, ds?);
    let plain = Matmul::default();
    let Some((du, dvt)) = vectors else {
        let right = elementwise(stream, &vt, Step::RowsTimes(&ds))?;
        return narrowed(stream, matmul(stream, &u, &right, None, &plain)?, dtype);
    };
    let (du, dvt) = (widened(stream, du)?, widened(stream, dvt)?);
    let g = matmul(stream, &u, &du, None, &Matmul { transpose_a: true, ..Matmul::default() })?;
    let h = matmul(stream, &vt, &dvt, None, &Matmul { transpose_b: true, ..Matmul::default() })?;
    // The projections vanish where the vectors are a whole basis. What they take away is in c already:
    // da = u (c vᵀ + diag(s)^-1 dvᵀ) + du diag(s)^-1 vᵀ.
    let less = [m > k, n > k];
    let c = elementwise(stream, &g, Step::SquareGaps { s: &s, diagonal: &ds, z: &h, less })?;
    let add = Matmul { beta: 1.0, ..Matmul::default() };
    let right = if less[1] {
        let beside = elementwise(stream, &dvt, Step::RowsOver(&s))?;
        matmul(stream, &c, &vt, Some(&beside), &add)?
    } else {
        matmul(stream, &c, &vt, None, &plain)?
    };
    let within = matmul(stream, &u, &right, None, &plain)?;
    if !less[0] {
        return narrowed(stream, within, dtype);
    }
    let over = elementwise(stream, &vt, Step::RowsOver(&s))?;
    narrowed(stream, matmul(stream, &du, &over, Some(&within), &add)?, dtype)
}
