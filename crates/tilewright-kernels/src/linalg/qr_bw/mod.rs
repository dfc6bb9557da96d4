//! The gradient of [`qr()`](crate::linalg::qr()), reduced.
//!
//! # Math
//!
//! ```text
//! a = q r        c = r drᵀ - dqᵀ q        da rᵀ = dq + q mirrored(c)
//! ```
//!
//! mirrored is symmetric and has the lower triangle of c. With fewer rows than columns, `a = [x, y]` and `r = [s, t]`: `y = q t` gives `dy = q dt`, and x is decomposed as
//! `x = q s` with `dq + y dtᵀ` for dq.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `q`, `dq` | `[.., m, k]`, k = min(m, n) | f32, f64, f16, bf16 |
//! | `r`, `dr` | `[.., k, n]`: what `dr` holds below the diagonal does not count, but has to be finite | that of `q` |
//! | `da` | `[.., m, n]` | that of `q` |
//!
//! # Numerics
//!
//! Products, and a triangular solve, in f32 (f64 for f64), rounded once at the end: off by a small multiple of m + n roundings relative to
//! `(|dq| + |r| |dr|) |r^-1|` times the condition of r; judged by central differences in f64. **Of dependent columns** r has a zero on its diagonal and q is no
//! function of a: the gradient is NaN. It holds whatever the signs of r's diagonal, which do not change with a. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64.
//! - With m < n the first m columns have to be independent.
//!
//! # Sources
//!
//! Walter and Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum experimental design" (2010), section 4; the
//! triangle is mirrored as in Roberts and Roberts, "QR and LQ decomposition matrix backpropagation algorithms", arXiv 2009.10071.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::qr_bw;
//!
//! // Of one column, r is the length, whose derivative is the column over it.
//! let q = Tensor::from_vec(vec![0.6f32, 0.8], [2, 1])?;
//! let (dq, r) = (Tensor::from_vec(vec![0.0f32, 0.0], [2, 1])?, Tensor::from_vec(vec![5.0f32], [1, 1])?);
//! let dr = Tensor::from_vec(vec![1.0f32], [1, 1])?;
//! assert_eq!(qr_bw(&Stream::cpu(), &q, &r, &dq, &dr)?.to_vec::<f32>()?, [0.6, 0.8]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::beside::beside;
use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use super::{TriangularSolve, triangular_solve};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "qr_bw";

/// The gradient by `a`, of the reduced factors and the gradients by them.
///
/// # Errors
/// `q` with fewer rows than columns; `r` with fewer columns than rows, or more where q is not square; the others of shapes that do not fit; another dtype than
/// listed, or two; another device than the stream's; f64 where kernels are Metal.
pub fn qr_bw(stream: &Stream, q: &Tensor, r: &Tensor, dq: &Tensor, dr: &Tensor) -> Result<Tensor> {
    let extents = Extents::of(NAME, stream, "q", q)?;
    let (m, k, dtype) = (extents.m, extents.n, q.dtype());
    check_f64(NAME, stream.device(), dtype)?;
    if m < k {
        return Err(Error::shape(NAME, "q", "[.., m, k] with m >= k", q.shape()));
    }
    // Only a square q leaves columns of r free.
    let n = r.dims().last().copied().filter(|&n| n > k && m == k).unwrap_or(k);
    check_like(NAME, stream, "r", r, q, &extents.shape(&[k, n]))?;
    check_like(NAME, stream, "dq", dq, q, q.dims())?;
    check_like(NAME, stream, "dr", dr, q, r.dims())?;
    let [q, r, dq, dr] = [q, r, dq, dr].map(|tensor| widened(stream, tensor));
    let (q, r, dq, dr) = (q?, r?, dq?, dr?);
    if n == k {
        return narrowed(stream, independent(stream, &q, &r, &dq, &dr)?, dtype);
    }
    let parts = |x: &Tensor| Ok::<_, Error>((x.slice(x.rank() - 1, 0..k)?, x.slice(x.rank() - 1, k..n)?));
    let ((s, t), (ds, dt)) = (parts(&r)?, parts(&dr)?);
    let y = matmul(stream, &q, &t, None, &Matmul::default())?;
    let more = Matmul { transpose_b: true, beta: 1.0, ..Matmul::default() };
    let dq = matmul(stream, &y, &dt, Some(&dq), &more)?;
    let dx = independent(stream, &q, &s, &dq, &ds)?;
    let dy = matmul(stream, &q, &dt, None, &Matmul::default())?;
    narrowed(stream, beside(stream, &dx, &dy)?, dtype)
}

/// Of at least as many rows as columns, in the dtype in which it is computed.
fn independent(stream: &Stream, q: &Tensor, r: &Tensor, dq: &Tensor, dr: &Tensor) -> Result<Tensor> {
    let less = Matmul { transpose_a: true, alpha: -1.0, ..Matmul::default() };
    let minus = matmul(stream, dq, q, None, &less)?;
    let plus = Matmul { transpose_b: true, beta: 1.0, ..Matmul::default() };
    let c = elementwise(stream, &matmul(stream, r, dr, Some(&minus), &plus)?, Step::Mirrored)?;
    let sides = matmul(stream, q, &c, Some(dq), &Matmul { beta: 1.0, ..Matmul::default() })?;
    let system = TriangularSolve { upper: true, right: true, transpose: true, ..TriangularSolve::default() };
    Ok(triangular_solve(stream, r, &sides, &system)?.x)
}
