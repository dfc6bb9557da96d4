//! Triangular systems.
//!
//! # Math
//!
//! ```text
//! op(a) x = b, or x op(a) = b with `right`        op(a) = a or its transpose
//! ```
//!
//! `a` is triangular: elements beyond its diagonal are not read, nor is the diagonal with `unit_diagonal`, which stands for ones.
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `b` | `[.., n, k]` or `[.., n]`; with `right` `[.., k, n]` | that of `a` |
//! | `x` | that of `b` | that of `a` |
//! | `info` | `[..]` | i32 |
//!
//! The leading axes of `a` and `b` are equal; [`Tensor::broadcast_to`] makes them so without a copy. `info` is 0, or k where the k-th element
//! of the diagonal is the first that is zero: then the matrix is singular and its `x` NaN throughout.
//!
//! # Numerics
//!
//! Substitution in f32 (f64 for f64): `|b - op(a) x| <= n eps |op(a)| |x|` for each element (Higham, theorem 8.5), whatever the condition;
//! judged by LAPACK's ratio `|b - op(a) x| / (|op(a)| |x| eps)` in the 1-norm of each column, under 30. Deterministic.
//!
//! # Constraints
//!
//! - CPU: no more than memory. Up to n = 64, batches run side by side in vector lanes; otherwise faer, with threads from n = 512 on. Diagonal
//!   elements below the smallest normal number may overflow.
//! - Metal, emulated: no f64. One group of threads for 32 columns of x.
//!
//! # Sources
//!
//! BLAS `TRSM`, LAPACK `TRTRS`; Higham, "Accuracy and Stability of Numerical Algorithms", chapter 8. On the CPU large systems run in `faer`
//! (MIT).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{TriangularSolve, triangular_solve};
//!
//! let a = Tensor::from_vec(vec![2.0f32, 0.0, 1.0, 4.0], [2, 2])?;
//! let b = Tensor::from_vec(vec![2.0f32, 9.0], [2])?;
//! let x = triangular_solve(&Stream::cpu(), &a, &b, &TriangularSolve::default())?.checked()?;
//! assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cases::column_ratio;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::Solution;
use super::convert::{narrowed, widened};
use super::extents::{Extents, right_sides};
use super::host::with_real;
use crate::arguments::check_f64;

const NAME: &str = "triangular_solve";

/// The arguments of [`triangular_solve()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TriangularSolve {
    /// `a` is upper triangular. Default: lower.
    pub upper: bool,
    /// `a` stands on the right of `x`. Default: on the left.
    pub right: bool,
    /// `op(a)` is the transpose of `a`.
    pub transpose: bool,
    /// The diagonal is taken as ones and not read.
    pub unit_diagonal: bool,
}

/// Systems `l x = b` with l lower triangular, to which the other kinds come down by transposing and by counting backward.
struct Systems<'a> {
    /// `[.., n, n]`, transposed already.
    a: &'a Tensor,
    /// `[.., n, k]`, or `[.., k, n]` where `turned`: b as it was given.
    b: &'a Tensor,
    extents: Extents,
    k: usize,
    /// Rows and columns of a, and rows of x, are counted from the end, so that upper becomes lower.
    backward: bool,
    /// b and x are transposed.
    turned: bool,
    unit_diagonal: bool,
}

/// The x of each system of a batch.
///
/// # Errors
/// `a` not of square matrices; `b` of other leading axes or another n; another dtype than listed, or two; another device than the stream's;
/// f64 where kernels are Metal. A singular matrix is no error of the batch: see `info`.
pub fn triangular_solve(stream: &Stream, a: &Tensor, b: &Tensor, args: &TriangularSolve) -> Result<Solution> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    check_f64(NAME, stream.device(), a.dtype())?;
    let n = extents.n;
    let sides = if args.right {
        let &[.., k, last] = b.dims() else { return Err(Error::shape(NAME, "b", "[.., k, n]", b.shape())) };
        if b.rank() != a.rank() || last != n {
            return Err(Error::shape(NAME, "b", format!("[.., k, {n}]"), b.shape()));
        }
        right_sides(NAME, stream, b, a, &extents, k)?
    } else {
        right_sides(NAME, stream, b, a, &extents, n)?
    };
    let k = sides.elements() / (extents.batches() * n).max(1);
    if b.is_empty() {
        let info = Tensor::zeros(DType::I32, extents.batch)?.to(stream)?;
        return Ok(Solution { x: Tensor::empty(stream, b.dtype(), b.shape())?, info });
    }
    // x op(a) = b is op(a)ᵀ xᵀ = bᵀ.
    let transpose = args.transpose != args.right;
    let wide = widened(stream, &if transpose { a.transpose()? } else { a.clone() })?;
    let systems = Systems {
        a: &wide,
        b: &widened(stream, &sides)?,
        extents,
        k,
        backward: args.upper != transpose,
        turned: args.right,
        unit_diagonal: args.unit_diagonal,
    };
    let (x, info) = match stream.device() {
        Device::Cpu => with_real!(wide.dtype(), T => cpu::triangular_solve::<T>(&systems)?),
        _ => gpu::triangular_solve(stream, &systems)?,
    };
    Ok(Solution { x: narrowed(stream, x, a.dtype())?.reshape(b.shape())?, info })
}
