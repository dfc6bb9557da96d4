//! The gradients of [`solve()`](crate::linalg::solve()).
//!
//! # Math
//!
//! ```text
//! a x = b        aᵀ db = dx        da = -db xᵀ
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `x`, `dx` | `[.., n, k]` or `[.., n]`: the solutions, and the gradient by them | that of `a` |
//! | `da` | `[.., n, n]` | that of `a` |
//! | `db` | that of `x` | that of `a` |
//!
//! # Numerics
//!
//! [`solve()`](crate::linalg::solve()) with the transpose, and a product, in f32 (f64 for f64), rounded once at the end: off by a small multiple of n roundings
//! relative to `|a^-1| |dx|` times the condition of a, for `db`, and that times `|x|`, for `da`; judged by central differences in f64. Where the
//! matrix is singular both are NaN throughout. Deterministic.
//!
//! # Constraints
//!
//! As [`solve()`](crate::linalg::solve()).
//!
//! # Sources
//!
//! Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), 2.3.1.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::solve_bw;
//!
//! let a = Tensor::from_vec(vec![2.0f32], [1, 1])?;
//! let (x, dx) = (Tensor::from_vec(vec![3.0f32], [1])?, Tensor::from_vec(vec![1.0f32], [1])?);
//! let by = solve_bw(&Stream::cpu(), &a, &x, &dx)?; // x = b / a, with b = 6
//! assert_eq!((by.a.to_vec::<f32>()?, by.b.to_vec::<f32>()?), (vec![-1.5], vec![0.5]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::extents::{Extents, check_like, right_sides};
use super::{lu, solve};
use crate::gemm::{Matmul, matmul};

const NAME: &str = "solve_bw";

/// The gradients by the two sides of systems of equations.
#[derive(Debug, Clone)]
pub struct SystemGradients {
    /// By the matrices, `[.., n, n]`.
    pub a: Tensor,
    /// By the right-hand sides.
    pub b: Tensor,
}

/// The gradients by `a` and `b`, of the solutions `x` and the gradient by them.
///
/// # Errors
/// `a` not of square matrices; `x` of other leading axes or another n; `dx` of another shape than `x`; another dtype than listed, or two; another
/// device than the stream's; what [`solve()`](crate::linalg::solve()) cannot do.
pub fn solve_bw(stream: &Stream, a: &Tensor, x: &Tensor, dx: &Tensor) -> Result<SystemGradients> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    lu::check(NAME, stream.device(), a.dtype(), extents.n)?;
    let sides = right_sides(NAME, stream, x, a, &extents, extents.n)?;
    check_like(NAME, stream, "dx", dx, a, x.dims())?;
    let dx = right_sides(NAME, stream, dx, a, &extents, extents.n)?;
    let (wide, sides) = (widened(stream, a)?, widened(stream, &sides)?);
    let db = solve(stream, &wide.transpose()?, &widened(stream, &dx)?)?.x;
    let outer = Matmul { transpose_b: true, alpha: -1.0, ..Matmul::default() };
    let da = matmul(stream, &db, &sides, None, &outer)?;
    Ok(SystemGradients {
        a: narrowed(stream, da, a.dtype())?,
        b: narrowed(stream, db, a.dtype())?.reshape(x.shape())?,
    })
}
