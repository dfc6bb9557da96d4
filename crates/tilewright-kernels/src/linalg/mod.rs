//! Linear algebra: factorizations, and what is solved with them, single and batched.
//!
//! | kernel | |
//! |---|---|
//! | [`apply_q()`] | the product of Householder's reflections with a matrix |
//! | [`cholesky()`] | `a = l lᵀ` of a symmetric positive definite matrix |
//! | [`cholesky_solve()`] | `a x = b` with that factor |
//! | [`det()`], [`slogdet()`] | determinants |
//! | [`inverse()`] | `a x = 1` |
//! | [`lu()`] | `a[p] = l u` with partial pivoting |
//! | [`qr()`] | `a = q r` |
//! | [`qr_reflectors()`] | `a = h_1 .. h_k r`, not multiplied out |
//! | [`solve()`] | `a x = b` |
//! | [`triangular_solve()`] | `op(a) x = b` or `x op(a) = b` with a triangular matrix |
//!
//! A batch never fails as a whole: `info` is LAPACK's, one number for each matrix. 0 is success; k > 0 names the pivot that failed, counted
//! from 1. What a failed matrix has for a result is NaN, so that it cannot be taken for one.
//!
//! f16 and bf16 are computed in f32 and rounded once at the end.

pub mod apply_q;
pub mod cholesky;
pub mod cholesky_solve;
pub mod det;
pub mod inverse;
pub mod lu;
pub mod qr;
pub mod qr_reflectors;
pub mod slogdet;
pub mod solve;
pub mod triangular_solve;

mod convert;
mod determinant;
mod elimination;
mod extents;
mod host;
mod householder;
mod lanes;
mod ratios;
mod registry;
mod samples;
mod substitution;
mod tile;

pub use apply_q::{ApplyQ, apply_q};
pub use cholesky::{Cholesky, CholeskyFactor, cholesky};
pub use cholesky_solve::{CholeskySolve, cholesky_solve};
pub use det::det;
pub use inverse::inverse;
pub use lu::{LuFactors, lu};
pub use qr::{Qr, QrFactors, QrMode, qr};
pub use qr_reflectors::{Reflectors, qr_reflectors};
pub use slogdet::{LogDeterminant, slogdet};
pub use solve::solve;
pub use triangular_solve::{TriangularSolve, triangular_solve};

use tilewright_core::{DType, Error, Kind, Result, Tensor};

/// Dtypes of the family.
const DTYPES: &[DType] = &[DType::F32, DType::F64, DType::F16, DType::Bf16];

/// The first matrix of a batch whose info is not 0, as an error. Waits for the device.
fn check_info(operation: &'static str, info: &Tensor, what: &str) -> Result<()> {
    let failed = info.to_vec::<i32>()?.into_iter().enumerate().find(|&(_, info)| info != 0);
    let Some((item, pivot)) = failed else { return Ok(()) };
    let what = format!("matrix {item} is {what}");
    Err(Error::new(operation, Kind::Numerical { what, index: pivot as usize - 1 }))
}

/// The solutions of a batch of systems.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The solutions, of the shape of the right-hand sides; NaN throughout where the matrix is singular.
    pub x: Tensor,
    /// `[..]`, i32: 0, or k where the k-th pivot or diagonal element is the first that is zero.
    pub info: Tensor,
}

impl Solution {
    /// The solutions, or an error that names the first singular matrix and its pivot. Waits for the device.
    pub fn checked(self) -> Result<Tensor> {
        check_info("solve", &self.info, "singular")?;
        Ok(self.x)
    }
}
