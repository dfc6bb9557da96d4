//! Systems of linear equations, by factors of few digits and iterative refinement.
//!
//! # Math
//!
//! ```text
//! a ~ p l u in `factors`;  x = 0, and again and again:  r = b - a x with twice the digits,  l u d = pᵀ r,  x = x + d
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `b` | `[.., n, k]` or `[.., n]` | that of `a` |
//! | `x` | that of `b` | that of `a` |
//! | `info` | `[..]` | i32 |
//! | `iterations` | `[..]`: how often it was solved with the factors, by the column that took most | i32 |
//!
//! `info` is 0; or k where the k-th pivot of the factors is exactly zero, and `x` is NaN throughout; or n + 1 where corrections stopped to shrink before they
//! were roundings of x, or `iterations` were not enough: `x` is the best that was found, and not refined to the end. There is no other way taken then.
//!
//! # Numerics
//!
//! `factors` is f32, bf16 (computed in f32, and rounded once) or f64. The residual is rounded once: products and sums of twice the digits of f32 (f64 for f64). Each column
//! is refined until a correction is at most a unit in its last place, and stopped where one is more than half of the one before. So x is right to the roundings of its
//! own dtype, relative to the largest element of the column, **whatever the condition**, as long as that is below about 1 / (n u) with the u of the factors: 1e6 for f32,
//! 100 for bf16. The matrix is factored over its largest element, and each residual solved over its own, so no scale leaves the range of the factors. f16 and bf16 systems
//! are refined in f32 and rounded once. Judged against a solution of twice the digits, where there is one, and by LAPACK's ratio. Deterministic.
//!
//! # Constraints
//!
//! As [`lu()`](crate::linalg::lu()). Each iteration waits for the device, to learn whether all columns are done; those that are stay as they are. Not in a capture.
//!
//! # Sources
//!
//! LAPACK `DSGESV`, `GERFSX`; Demmel, Hida, Kahan, Li, Mukherjee, Riedy, "Error bounds from extra-precise iterative refinement" (2006); Carson and Higham, "Accelerating the solution of
//! linear systems by iterative refinement in three precisions" (2018).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{SolveRefined, solve_refined};
//!
//! let a = Tensor::from_vec(vec![3.0f64, 1.0, 1.0, 2.0], [2, 2])?;
//! let b = Tensor::from_vec(vec![9.0f64, 8.0], [2])?;
//! let found = solve_refined(&Stream::cpu(), &a, &b, &SolveRefined::default())?;
//! assert_eq!(found.x.to_vec::<f64>()?, [2.0, 3.0]);
//! assert_eq!(found.info.to_vec::<i32>()?, [0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::convert::{dense, narrowed, widened, working};
use super::extents::{Extents, right_sides};
use super::host::with_real;
use super::lu;
use super::norm::{Fold, vectors};
use super::{TriangularSolve, triangular_solve};

const NAME: &str = "solve_refined";

/// The arguments of [`solve_refined()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SolveRefined {
    /// Of what the factors are: f32, bf16 or, for f64, f64. Default: f32.
    pub factors: DType,
    /// At most so many solutions with the factors, the first one included; at least 1. Default: 30.
    pub iterations: usize,
}

impl Default for SolveRefined {
    fn default() -> Self {
        SolveRefined { factors: DType::F32, iterations: 30 }
    }
}

/// The result of [`solve_refined()`].
#[derive(Debug, Clone)]
pub struct Refined {
    /// The solutions, of the shape of the right-hand sides; NaN throughout where the factors are singular.
    pub x: Tensor,
    /// `[..]`, i32: 0, k where the k-th pivot is zero, or n + 1 where x is not refined to the end.
    pub info: Tensor,
    /// `[..]`, i32: how often it was solved with the factors.
    pub iterations: Tensor,
}

/// Where the columns of all systems stand, `[.., k]` each.
#[derive(Clone)]
struct Progress {
    /// The largest element of the last correction that was taken; infinite before there was one.
    last: Tensor,
    /// i32: 0 while corrections shrink, 1 where they are roundings, 2 where they do not shrink any more.
    state: Tensor,
    /// i32: how many were taken.
    count: Tensor,
}

/// Says why a device cannot do it.
fn check(device: Device, dtype: DType, n: usize, args: &SolveRefined) -> Result<()> {
    lu::check(NAME, device, dtype, n)?;
    let known = match args.factors {
        DType::F32 | DType::Bf16 => true,
        factors => factors == DType::F64 && dtype == DType::F64,
    };
    if !known {
        return Err(Error::range(NAME, "factors", "f32, bf16 or, for f64, f64", args.factors));
    }
    if args.iterations == 0 {
        return Err(Error::range(NAME, "iterations", "at least 1", 0));
    }
    Ok(())
}

/// The x of each system of a batch.
///
/// # Errors
/// `a` not of square matrices; `b` of other leading axes or another n; another dtype than listed, or two; another device than the stream's; `factors` of another
/// dtype than listed; no `iterations`; what [`lu()`](lu::lu()) cannot do. A singular matrix is no error of the batch: see `info`.
pub fn solve_refined(stream: &Stream, a: &Tensor, b: &Tensor, args: &SolveRefined) -> Result<Refined> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    let n = extents.n;
    check(stream.device(), a.dtype(), n, args)?;
    let sides = right_sides(NAME, stream, b, a, &extents, n)?;
    if b.is_empty() {
        let zeros = || Tensor::zeros(DType::I32, &extents.batch[..])?.to(stream);
        let x = Tensor::empty(stream, b.dtype(), b.shape())?;
        return Ok(Refined { x, info: zeros()?, iterations: zeros()? });
    }
    let a_wide = dense(stream, &widened(stream, a)?)?;
    // Right-hand sides and solutions as rows: [.., k, n].
    let sides = dense(stream, &widened(stream, &sides)?.transpose()?)?;
    let (dtype, low) = (working(a.dtype()), working(args.factors));
    let largest = |of: &Tensor| vectors(stream, of, Fold::Largest);
    let over = |of: &Tensor, size: &Tensor| match stream.device() {
        Device::Cpu => cpu::over(of, size, low),
        _ => gpu::over(stream, of, size, low),
    };
    let size = largest(&a_wide.reshape(extents.shape(&[n * n]))?)?;
    let factors = lu(stream, &narrowed(stream, over(&a_wide, &size)?, args.factors)?)?;
    let packed = widened(stream, &factors.lu)?;
    let unit = TriangularSolve { unit_diagonal: true, ..TriangularSolve::default() };
    let upper = TriangularSolve { upper: true, ..TriangularSolve::default() };
    let columns = &sides.dims()[..sides.rank() - 1];
    let mut x = Tensor::zeros(dtype, sides.shape())?.to(stream)?;
    let started: usize = columns.iter().product();
    let mut progress = Progress {
        last: Tensor::from_f64(&vec![f64::INFINITY; started], dtype, columns)?.to(stream)?,
        state: Tensor::zeros(DType::I32, columns)?.to(stream)?,
        count: Tensor::zeros(DType::I32, columns)?.to(stream)?,
    };
    for _ in 0..args.iterations {
        let r = match stream.device() {
            Device::Cpu => {
                with_real!(dtype, T => cpu::residual::<T>(&a_wide, &x, &sides, &factors.permutation)?)
            }
            _ => gpu::residual(stream, &a_wide, &x, &sides, &factors.permutation)?,
        };
        let left = largest(&r)?;
        let halfway = triangular_solve(stream, &packed, &over(&r, &left)?.transpose()?, &unit)?.x;
        let d = triangular_solve(stream, &packed, &halfway, &upper)?.x.transpose()?;
        let d = dense(stream, &d)?;
        let (sizes, found) = (largest(&d)?, largest(&x)?);
        let scales = Scales { left: &left, size: &size, d: &sizes, x: &found };
        (x, progress) = match stream.device() {
            Device::Cpu => with_real!(dtype, T => {
                with_real!(low, L => cpu::advanced::<T, L>(&x, &d, &scales, &progress)?)
            }),
            _ => gpu::advanced(stream, &x, &d, &scales, &progress)?,
        };
        if progress.state.to_vec::<i32>()?.iter().all(|&state| state != 0) {
            break;
        }
    }
    let (info, iterations) = match stream.device() {
        Device::Cpu => cpu::ended(&factors.info, &progress, n)?,
        _ => gpu::ended(stream, &factors.info, &progress, n)?,
    };
    let x = narrowed(stream, dense(stream, &x.transpose()?)?, a.dtype())?.reshape(b.shape())?;
    Ok(Refined { x, info, iterations })
}

/// What a correction is measured by: the residual's largest element and that of the correction as it was solved for, `[.., k]`; the matrix's, `[..]`; the
/// largest of the solution, `[.., k]`.
struct Scales<'a> {
    left: &'a Tensor,
    size: &'a Tensor,
    d: &'a Tensor,
    x: &'a Tensor,
}
