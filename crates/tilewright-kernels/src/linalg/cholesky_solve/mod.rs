//! Systems with a Cholesky factor.
//!
//! # Math
//!
//! ```text
//! l lᵀ x = b, or uᵀ u x = b with `upper`
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `factor` | `[.., n, n]`: of [`cholesky()`](crate::linalg::cholesky()); one triangle is read | f32, f64, f16, bf16 |
//! | `b` | `[.., n, k]` or `[.., n]` | that of `factor` |
//! | `x` | that of `b` | that of `factor` |
//!
//! The leading axes are equal.
//!
//! # Numerics
//!
//! Two triangular solves, in f32 (f64 for f64); between them x is rounded to the dtype. Each is backward stable whatever the condition, so that
//! `|b - a x| / (|a| |x| eps)` with `a = l lᵀ` stays under `n` times LAPACK's limit; judged under 30 as measured by LAPACK. The factor of a
//! matrix that is not positive definite is NaN, and so is its x. Deterministic.
//!
//! # Constraints
//!
//! As [`triangular_solve()`](crate::linalg::triangular_solve()).
//!
//! # Sources
//!
//! LAPACK `POTRS`; Higham, "Accuracy and Stability of Numerical Algorithms", section 10.1.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::{Cholesky, CholeskySolve, cholesky, cholesky_solve};
//!
//! let cpu = Stream::cpu();
//! let a = Tensor::from_vec(vec![4.0f32, 2.0, 2.0, 5.0], [2, 2])?;
//! let b = Tensor::from_vec(vec![8.0f32, 12.0], [2])?;
//! let l = cholesky(&cpu, &a, &Cholesky::default())?.checked()?;
//! let x = cholesky_solve(&cpu, &l, &b, &CholeskySolve::default())?;
//! assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::{TriangularSolve, triangular_solve};

const NAME: &str = "cholesky_solve";

/// The arguments of [`cholesky_solve()`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CholeskySolve {
    /// The factor is upper triangular. Default: lower.
    pub upper: bool,
}

/// The x of each system of a batch.
///
/// # Errors
/// Those of [`triangular_solve()`].
pub fn cholesky_solve(stream: &Stream, factor: &Tensor, b: &Tensor, args: &CholeskySolve) -> Result<Tensor> {
    let forward = TriangularSolve { upper: args.upper, transpose: args.upper, ..TriangularSolve::default() };
    let backward = TriangularSolve { transpose: !args.upper, ..forward };
    let within = |error: tilewright_core::Error| error.within(NAME);
    let halfway = triangular_solve(stream, factor, b, &forward).map_err(within)?;
    Ok(triangular_solve(stream, factor, &halfway.x, &backward).map_err(within)?.x)
}
