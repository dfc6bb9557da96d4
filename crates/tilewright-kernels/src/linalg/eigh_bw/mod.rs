//! The gradient of [`eigh()`](crate::linalg::eigh()).
//!
//! # Math
//!
//! ```text
//! a q = q diag(w)        g = qᵀ dq        da = q c qᵀ
//! c_ii = dw_i,   c_ij = (g_ij - g_ji) / 2 (w_j - w_i)
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `values`, `dvalues` | `[.., n]`: the eigenvalues in any order, and the gradient by them | f32, f64, f16, bf16 |
//! | `vectors`, `dvectors` | `[.., n, n]`: the eigenvectors as columns, and the gradient by them, which may be missing: zeros | that of `values` |
//! | `da` | `[.., n, n]`: symmetric | that of `values` |
//!
//! The gradient is that among symmetric matrices: the loss changes by the sum of `da_ij` times the change of `a_ij`, over both triangles.
//!
//! # Numerics
//!
//! Three products and quotients of differences in f32 (f64 for f64), rounded once at the end: off by a small multiple of n roundings relative to
//! `|dw| + |dq| |w| / gap²`; judged by central differences in f64. **Repeated values** have a basis of vectors and no single ones, and no derivative of
//! these: c_ij is then a quotient by zero, so that the gradient is infinite or NaN; the closer two values are, the larger it is. A loss of the
//! values alone, without `dvectors`, divides by nothing and is finite always; of repeated values the gradient is then that of the vectors given.
//! Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Any extents, 0 included.
//!
//! # Sources
//!
//! Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), 3.1, for orthogonal vectors, with the mean
//! over both triangles.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::eigh_bw;
//!
//! // The derivative of an eigenvalue is q qᵀ.
//! let w = Tensor::from_vec(vec![1.0f32, 3.0], [2])?;
//! let q = Tensor::from_vec(vec![0.6f32, 0.8, -0.8, 0.6], [2, 2])?;
//! let dw = Tensor::from_vec(vec![1.0f32, 0.0], [2])?;
//! let da = eigh_bw(&Stream::cpu(), &w, &q, &dw, None)?.to_vec::<f32>()?;
//! assert!((da[0] - 0.36).abs() < 1e-6 && (da[1] + 0.48).abs() < 1e-6);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "eigh_bw";

/// The gradient by `a`, of the values, the vectors and the gradients by them.
///
/// # Errors
/// `vectors` not of square matrices; the others of shapes that do not fit; another dtype than listed, or two; another device than the stream's; f64
/// where kernels are Metal.
pub fn eigh_bw(
    stream: &Stream,
    values: &Tensor,
    vectors: &Tensor,
    dvalues: &Tensor,
    dvectors: Option<&Tensor>,
) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "vectors", vectors)?;
    check_f64(NAME, stream.device(), vectors.dtype())?;
    let shape = extents.shape(&[extents.n]);
    check_like(NAME, stream, "values", values, vectors, &shape)?;
    check_like(NAME, stream, "dvalues", dvalues, vectors, &shape)?;
    if let Some(dvectors) = dvectors {
        check_like(NAME, stream, "dvectors", dvectors, vectors, vectors.dims())?;
    }
    let (w, q, dw) = (widened(stream, values)?, widened(stream, vectors)?, widened(stream, dvalues)?);
    let transposed = Matmul { transpose_a: true, ..Matmul::default() };
    // [.., n, n]: c qᵀ
    let right = match dvectors {
        // diag(dw) qᵀ, without a quotient.
        None => elementwise(stream, &q.transpose()?, Step::RowsTimes(&dw))?,
        Some(dq) => {
            let g = matmul(stream, &q, &widened(stream, dq)?, None, &transposed)?;
            let c = elementwise(stream, &g, Step::Gaps { s: &w, diagonal: &dw })?;
            matmul(stream, &c, &q, None, &Matmul { transpose_b: true, ..Matmul::default() })?
        }
    };
    let da = matmul(stream, &q, &right, None, &Matmul::default())?;
    narrowed(stream, elementwise(stream, &da, Step::Symmetric)?, vectors.dtype())
}
