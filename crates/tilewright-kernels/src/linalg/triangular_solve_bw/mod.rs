//! The gradients of [`triangular_solve()`](crate::linalg::triangular_solve()).
//!
//! # Math
//!
//! ```text
//! op(a) x = b        op(a)ᵀ db = dx        d op(a) = -db xᵀ
//! x op(a) = b        db op(a)ᵀ = dx        d op(a) = -xᵀ db
//! ```
//!
//! da is d op(a), or its transpose with `transpose`, in the triangle of a; zeros beyond it, and on the diagonal with `unit_diagonal`.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]`: one triangle is read | f32, f64, f16, bf16 |
//! | `x`, `dx` | `[.., n, k]` or `[.., n]`, `[.., k, n]` with `right`: the solutions, and the gradient by them | that of `a` |
//! | `da` | `[.., n, n]` | that of `a` |
//! | `db` | that of `x` | that of `a` |
//!
//! # Numerics
//!
//! A triangular solve, a product and a mask in f32 (f64 for f64), rounded once at the end: off by a small multiple of n roundings relative to
//! `|a^-1| |dx|` times the condition of a, for `db`, and that times `|x|`, for `da`; judged by central differences in f64. Where the matrix is
//! singular both are NaN, but for the zeros. Deterministic.
//!
//! # Constraints
//!
//! As [`triangular_solve()`](crate::linalg::triangular_solve()).
//!
//! # Sources
//!
//! Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), 2.3.1, in a triangle.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{TriangularSolve, triangular_solve_bw};
//!
//! let a = Tensor::from_vec(vec![2.0f32], [1, 1])?;
//! let (x, dx) = (Tensor::from_vec(vec![3.0f32], [1])?, Tensor::from_vec(vec![1.0f32], [1])?);
//! let by = triangular_solve_bw(&Stream::cpu(), &a, &x, &dx, &TriangularSolve::default())?;
//! assert_eq!((by.a.to_vec::<f32>()?, by.b.to_vec::<f32>()?), (vec![-1.5], vec![0.5]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like, right_sides};
use super::{SystemGradients, TriangularSolve, triangular_solve};
use crate::arguments::check_f64;
use crate::gemm::{Matmul, matmul};

const NAME: &str = "triangular_solve_bw";

/// The gradients by `a` and `b`, of the solutions `x` and the gradient by them.
///
/// # Errors
/// Those of [`triangular_solve()`](crate::linalg::triangular_solve()), of `x` in the place of b; `dx` of another shape than `x`.
pub fn triangular_solve_bw(
    stream: &Stream,
    a: &Tensor,
    x: &Tensor,
    dx: &Tensor,
    args: &TriangularSolve,
) -> Result<SystemGradients> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let n = extents.n;
    let sides = if args.right {
        match x.dims() {
            &[.., k, last] if last == n && x.rank() == a.rank() => {
                right_sides(NAME, stream, x, a, &extents, k)?
            }
            _ => return Err(Error::shape(NAME, "x", format!("[.., k, {n}]"), x.shape())),
        }
    } else {
        right_sides(NAME, stream, x, a, &extents, n)?
    };
    check_like(NAME, stream, "dx", dx, a, x.dims())?;
    let (wide, sides) = (widened(stream, a)?, widened(stream, &sides)?);
    let dx = widened(stream, &if dx.rank() == sides.rank() { dx.clone() } else { dx.unsqueeze(dx.rank())? })?;
    let turned = TriangularSolve { transpose: !args.transpose, ..*args };
    let db = triangular_solve(stream, &wide, &dx, &turned)?.x;
    // db xᵀ or xᵀ db; their transposes are x dbᵀ and dbᵀ x.
    let (first, second) = if args.right == args.transpose { (&db, &sides) } else { (&sides, &db) };
    let outer =
        Matmul { transpose_a: args.right, transpose_b: !args.right, alpha: -1.0, ..Matmul::default() };
    let full = matmul(stream, first, second, None, &outer)?;
    let edge = i32::from(args.unit_diagonal);
    let step = if args.upper { Step::Upper(edge) } else { Step::Lower(-edge) };
    let da = elementwise(stream, &full, step)?;
    Ok(SystemGradients {
        a: narrowed(stream, da, a.dtype())?,
        b: narrowed(stream, db, a.dtype())?.reshape(x.shape())?,
    })
}
