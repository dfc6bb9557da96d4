//! The gradient of [`polar()`](crate::linalg::polar()).
//!
//! # Math
//!
//! ```text
//! a = u h        s = (dh + dhᵀ) / 2        h y + y h = skew(uᵀ du - s h)        da = u (s + 2 y) + (1 - u uᵀ) du h^-1        m >= n
//! aᵀ = w k, w = uᵀ, k = u h uᵀ        dw = duᵀ + 2 s w k        dk = wᵀ s w        and so daᵀ        m < n
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `u`, `du` | `[.., m, n]`: the factor, and the gradient by it | f32, f64, f16, bf16 |
//! | `h`, `dh` | `[.., n, n]` | that of `u` |
//! | `da` | `[.., m, n]` | that of `u` |
//!
//! # Numerics
//!
//! The equation for y is solved in the eigenvectors of h (of k where m < n, for there h is singular), by [`eigh()`](crate::linalg::eigh()); the rest is products, in f32 (f64 for f64), rounded once at the end:
//! off by a small multiple of m + n roundings relative to `(|du| + |h| |dh|) |h^-1|` times the condition of h (or of k); judged by central differences in f64. **Without
//! full rank** u is no function of a: the gradient is infinite or NaN in those directions; of a square matrix it is the sum of the two smallest singular values alone that must
//! not be 0. Equal singular values do no harm. Deterministic.
//!
//! # Constraints
//!
//! As [`eigh()`](crate::linalg::eigh()) of matrices of min(m, n) rows.
//!
//! # Sources
//!
//! Higham, "Functions of Matrices" (2008), section 8.1, for the equation that the derivative solves; its adjoint is derived here, and that of a wide matrix by `h = w k wᵀ`.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::polar_bw;
//!
//! // Of one column, h is the length, whose derivative is the column over it.
//! let (u, du) = (Tensor::from_vec(vec![0.6f64, 0.8], [2, 1])?, Tensor::from_vec(vec![0.0f64; 2], [2, 1])?);
//! let (h, dh) = (Tensor::from_vec(vec![5.0f64], [1, 1])?, Tensor::from_vec(vec![1.0f64], [1, 1])?);
//! let da = polar_bw(&Stream::cpu(), &u, &h, &du, &dh)?.to_vec::<f64>()?;
//! assert!((da[0] - 0.6).abs() < 1e-15 && (da[1] - 0.8).abs() < 1e-15);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use super::jacobi;
use super::{Eigh, eigh};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "polar_bw";

/// Says why a device cannot do it.
fn check(device: Device, dtype: DType, m: usize, n: usize) -> Result<()> {
    check_f64(NAME, device, dtype)?;
    jacobi::check(NAME, device, m.min(n))
}

/// The gradient by `a`, of the factors and the gradients by them.
///
/// # Errors
/// `u` of fewer than 2 axes; the others of shapes that do not fit; another dtype than listed, or two; another device than the stream's; what
/// [`eigh()`](crate::linalg::eigh()) cannot do.
pub fn polar_bw(stream: &Stream, u: &Tensor, h: &Tensor, du: &Tensor, dh: &Tensor) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "u", u)?;
    let (m, n, dtype) = (extents.m, extents.n, u.dtype());
    check(stream.device(), dtype, m, n)?;
    check_like(NAME, stream, "h", h, u, &extents.shape(&[n, n]))?;
    check_like(NAME, stream, "du", du, u, u.dims())?;
    check_like(NAME, stream, "dh", dh, u, h.dims())?;
    if u.is_empty() {
        return Tensor::empty(stream, dtype, u.shape());
    }
    let [u, h, du, dh] = [u, h, du, dh].map(|tensor| widened(stream, tensor));
    let (u, h, du, dh) = (u?, h?, du?, dh?);
    let s = elementwise(stream, &dh, Step::Symmetric)?;
    let da = if m < n { wide(stream, &u, &h, &du, &s)? } else { tall(stream, &u, &h, &du, &s)? };
    narrowed(stream, da, dtype)
}

/// With s the symmetric part of dh, where m < n: through the transpose, whose h is regular.
fn wide(stream: &Stream, u: &Tensor, h: &Tensor, du: &Tensor, s: &Tensor) -> Result<Tensor> {
    let times = |x: &Tensor, y: &Tensor, z: Option<&Tensor>, args: Matmul| matmul(stream, x, y, z, &args);
    let right = Matmul { transpose_b: true, ..Matmul::default() };
    // [.., n, m] both
    let (hw, sw) = (times(h, u, None, right.clone())?, times(s, u, None, right)?);
    let (k, dk) = (times(u, &hw, None, Matmul::default())?, times(u, &sw, None, Matmul::default())?);
    let more = Matmul { alpha: 2.0, beta: 1.0, ..Matmul::default() };
    let dw = times(&sw, &k, Some(&du.transpose()?), more)?;
    tall(stream, &u.transpose()?, &k, &dw, &elementwise(stream, &dk, Step::Symmetric)?)?.transpose()
}

/// With s the symmetric part of dh, where m >= n.
fn tall(stream: &Stream, u: &Tensor, h: &Tensor, du: &Tensor, s: &Tensor) -> Result<Tensor> {
    let &[.., m, n] = u.dims() else { unreachable!("checked before") };
    let times = |x: &Tensor, y: &Tensor, z: Option<&Tensor>, args: Matmul| matmul(stream, x, y, z, &args);
    let (left, right) = (
        Matmul { transpose_a: true, ..Matmul::default() },
        Matmul { transpose_b: true, ..Matmul::default() },
    );
    let found = eigh(stream, h, &Eigh::default()).map_err(|error| error.within(NAME))?;
    let (w, v) = (found.values, found.vectors.expect("asked for"));
    let g = times(u, du, None, left.clone())?;
    let k = times(s, h, Some(&g), Matmul { alpha: -1.0, beta: 1.0, ..Matmul::default() })?;
    // In h's eigenvectors, where the equation is one for each element.
    let turned = times(&v, &times(&k, &v, None, Matmul::default())?, None, left.clone())?;
    let y = elementwise(stream, &turned, Step::SkewOverSums(&w))?;
    let y = times(&v, &y, None, Matmul::default())?;
    let inner = times(&y, &v, Some(s), Matmul { alpha: 2.0, beta: 1.0, ..right.clone() })?;
    let own = if m == n {
        None
    } else {
        let outside = times(u, &g, Some(du), Matmul { alpha: -1.0, beta: 1.0, ..Matmul::default() })?;
        let both = Matmul { transpose_a: true, transpose_b: true, ..Matmul::default() };
        let rows = elementwise(stream, &times(&v, &outside, None, both.clone())?, Step::RowsOver(&w))?;
        Some(times(&rows, &v, None, both)?)
    };
    let beta = if own.is_some() { 1.0 } else { 0.0 };
    times(u, &inner, own.as_ref(), Matmul { beta, ..Matmul::default() })
}
