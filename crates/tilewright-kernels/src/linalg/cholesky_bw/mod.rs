//! The gradient of [`cholesky()`](crate::linalg::cholesky()).
//!
//! # Math
//!
//! ```text
//! a = l lᵀ        s = l^-T half(lᵀ dl) l^-1        da = (s + sᵀ) / 2
//! ```
//!
//! half takes the lower triangle with half the diagonal.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `factor`, `dfactor` | `[.., n, n]`: the lower factor, or the upper one with `upper`, with zeros beyond the diagonal; the gradient by it | f32, f64, f16, bf16 |
//! | `da` | `[.., n, n]`: symmetric | that of `factor` |
//!
//! What `dfactor` holds beyond the factor's triangle does not count, but has to be finite. The gradient is that among symmetric matrices:
//! the loss changes by the sum of `da_ij` times the change of `a_ij`, over both triangles.
//!
//! # Numerics
//!
//! A product, two triangular solves and a mean in f32 (f64 for f64), rounded once at the end: off by a small multiple of n roundings relative to
//! `|l^-1|² |l| |dl|` times the condition of l; judged by central differences in f64. A factor that is NaN, as that of a matrix that is not positive
//! definite, has a gradient of NaN. Deterministic.
//!
//! # Constraints
//!
//! - Metal, emulated: no f64. Any extents, 0 included.
//!
//! # Sources
//!
//! Murray, "Differentiation of the Cholesky decomposition", arXiv 1602.07527, equation 10.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Cholesky, cholesky_bw};
//!
//! let l = Tensor::from_vec(vec![2.0f32], [1, 1])?; // of a = 4, where the derivative of the root is 1/4
//! let dl = Tensor::from_vec(vec![1.0f32], [1, 1])?;
//! assert_eq!(cholesky_bw(&Stream::cpu(), &l, &dl, &Cholesky::default())?.to_vec::<f32>()?, [0.25]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use super::{Cholesky, TriangularSolve, triangular_solve};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "cholesky_bw";

/// The gradient by `a`, of the factor and the gradient by it.
///
/// # Errors
/// `factor` not of square matrices; `dfactor` of another shape; another dtype than listed, or two; another device than the stream's; f64 where
/// kernels are Metal.
pub fn cholesky_bw(stream: &Stream, factor: &Tensor, dfactor: &Tensor, args: &Cholesky) -> Result<Tensor> {
    Extents::square(NAME, stream, "factor", factor)?;
    check_f64(NAME, stream.device(), factor.dtype())?;
    check_like(NAME, stream, "dfactor", dfactor, factor, factor.dims())?;
    let turned = |tensor: &Tensor| if args.upper { tensor.transpose() } else { Ok(tensor.clone()) };
    let (l, dl) = (widened(stream, &turned(factor)?)?, widened(stream, &turned(dfactor)?)?);
    let product = matmul(stream, &l, &dl, None, &Matmul { transpose_a: true, ..Matmul::default() })?;
    let half = elementwise(stream, &product, Step::HalfLower)?;
    let left = TriangularSolve { transpose: true, ..TriangularSolve::default() };
    let right = TriangularSolve { right: true, ..TriangularSolve::default() };
    let half = triangular_solve(stream, &l, &half, &left)?.x;
    let both = triangular_solve(stream, &l, &half, &right)?.x;
    narrowed(stream, elementwise(stream, &both, Step::Symmetric)?, factor.dtype())
}
