//! Linear algebra: factorizations, and what is solved with them, single and batched.
//!
//! | kernel | |
//! |---|---|
//! | [`apply_q()`] | the product of Householder's reflections with a matrix |
//! | [`cholesky()`] | `a = l lᵀ` of a symmetric positive definite matrix |
//! | [`cholesky_bw()`] | its gradient |
//! | [`cholesky_inverse()`] | the inverse, from its factor |
//! | [`cholesky_solve()`] | `a x = b` with that factor |
//! | [`complete_basis()`] | orthonormal columns, completed to a basis |
//! | [`cond()`] | the condition number |
//! | [`det()`], [`slogdet()`] | determinants |
//! | [`diag()`], [`diagonal()`] | matrices of a diagonal, and diagonals of matrices |
//! | [`eig()`] | `a v = v diag(w)` of a general matrix |
//! | [`eigh()`] | `a q = q diag(values)` of a symmetric matrix |
//! | [`eigh_bw()`] | its gradient |
//! | [`eigh_generalized()`] | `a x = b x diag(values)` |
//! | [`expm()`] | the exponential of a matrix |
//! | [`inverse()`] | `a x = 1` |
//! | [`inverse_bw()`] | its gradient |
//! | [`is_spd()`] | whether a matrix is symmetric positive definite |
//! | [`lstsq()`] | the x that makes `|b - a x|` least |
//! | [`lu()`] | `a[p] = l u` with partial pivoting |
//! | [`matrix_power()`] | `a^p` |
//! | [`matrix_rank()`] | how many singular values are not zeros |
//! | [`norm()`] | norms of vectors and matrices |
//! | [`norm_bw()`] | its gradient |
//! | [`orthogonal()`] | random orthogonal matrices |
//! | [`orthogonalize()`] | the orthogonal factor by products alone, as in Muon |
//! | [`pinv()`] | Moore and Penrose's pseudoinverse |
//! | [`polar()`] | `a = u h` with an orthogonal u and a positive h |
//! | [`polar_bw()`] | its gradient |
//! | [`qr()`] | `a = q r` |
//! | [`qr_bw()`] | its gradient |
//! | [`qr_pivoted()`] | with column pivoting, which shows the rank |
//! | [`qr_reflectors()`] | `a = h_1 .. h_k r`, not multiplied out |
//! | [`randomized_svd()`] | the largest singular values |
//! | [`rcond()`] | the reciprocal condition number, estimated |
//! | [`slogdet_bw()`] | the gradient of the logarithm |
//! | [`solve()`] | `a x = b` |
//! | [`solve_bw()`] | its gradients |
//! | [`solve_refined()`] | `a x = b` by iterative refinement |
//! | [`subspace_iteration()`] | the largest singular values, to a tolerance |
//! | [`svd()`] | `a = u diag(s) vᵀ` |
//! | [`svd_bw()`] | its gradient |
//! | [`triangular_inverse()`] | `a x = 1` with a triangular matrix |
//! | [`triangular_solve()`] | `op(a) x = b` or `x op(a) = b` with a triangular matrix |
//! | [`triangular_solve_bw()`] | its gradients |
//! | [`tril()`], [`triu()`] | triangles |
//!
//! A batch never fails as a whole: `info` is LAPACK's, one number for each matrix. 0 is success; k > 0 names the pivot that failed, counted
//! from 1. What a failed matrix has for a result is NaN, so that it cannot be taken for one.
//!
//! f16 and bf16 are computed in f32 and rounded once at the end.

pub mod apply_q;
pub mod cholesky;
pub mod cholesky_bw;
pub mod cholesky_inverse;
pub mod cholesky_solve;
pub mod complete_basis;
pub mod cond;
pub mod det;
pub mod diag;
pub mod diagonal;
pub mod eig;
pub mod eigh;
pub mod eigh_bw;
pub mod eigh_generalized;
pub mod expm;
pub mod inverse;
pub mod inverse_bw;
pub mod is_spd;
pub mod lstsq;
pub mod lu;
pub mod matrix_power;
pub mod matrix_rank;
pub mod norm;
pub mod norm_bw;
pub mod orthogonal;
pub mod orthogonalize;
pub mod pinv;
pub mod polar;
pub mod polar_bw;
pub mod qr;
pub mod qr_bw;
pub mod qr_pivoted;
pub mod qr_reflectors;
pub mod randomized_svd;
pub mod rcond;
pub mod slogdet;
pub mod slogdet_bw;
pub mod solve;
pub mod solve_bw;
pub mod solve_refined;
pub mod subspace_iteration;
pub mod svd;
pub mod svd_bw;
#[cfg(test)]
mod tests;
pub mod triangular_inverse;
pub mod triangular_solve;
pub mod triangular_solve_bw;
pub mod tril;
pub mod triu;
pub mod views;

mod beside;
mod chase;
mod convert;
mod determinant;
mod differences;
mod divide;
mod elementwise;
mod elimination;
mod estimate;
mod extents;
mod gram;
mod host;
mod householder;
mod jacobi;
mod lanes;
mod normals;
mod panel;
mod placed;
mod ratios;
mod reductions;
mod registry;
mod room;
mod samples;
mod substitution;
mod sweeps;
mod tile;
mod truncate;
mod vendor;

pub use apply_q::{ApplyQ, apply_q};
pub use cholesky::{Cholesky, CholeskyFactor, cholesky};
pub use cholesky_bw::cholesky_bw;
pub use cholesky_inverse::cholesky_inverse;
pub use cholesky_solve::{CholeskySolve, cholesky_solve};
pub use complete_basis::complete_basis;
pub use cond::{Cond, cond};
pub use det::det;
pub use diag::diag;
pub use diagonal::{Diagonal, diagonal};
pub use eig::{Eig, GeneralEigen, eig};
pub use eigh::{Eigen, Eigh, eigh};
pub use eigh_bw::eigh_bw;
pub use eigh_generalized::eigh_generalized;
pub use expm::expm;
pub use inverse::inverse;
pub use inverse_bw::inverse_bw;
pub use is_spd::{IsSpd, is_spd};
pub use lstsq::{LeastSquares, Lstsq, LstsqMethod, lstsq};
pub use lu::{LuFactors, lu};
pub use matrix_power::{MatrixPower, matrix_power};
pub use matrix_rank::{MatrixRank, matrix_rank};
pub use norm::{Norm, Order, norm};
pub use norm_bw::norm_bw;
pub use orthogonal::{Orthogonal, orthogonal};
pub use orthogonalize::{NewtonSchulz, Orthogonalize, orthogonalize};
pub use pinv::{Pinv, pinv};
pub use polar::{PolarFactors, polar};
pub use polar_bw::polar_bw;
pub use qr::{Qr, QrFactors, QrMode, qr};
pub use qr_bw::qr_bw;
pub use qr_pivoted::{PivotedQrFactors, qr_pivoted};
pub use qr_reflectors::{Reflectors, qr_reflectors};
pub use randomized_svd::{RandomizedSvd, randomized_svd};
pub use rcond::{Rcond, RcondNorm, rcond};
pub use slogdet::{LogDeterminant, slogdet};
pub use slogdet_bw::slogdet_bw;
pub use solve::solve;
pub use solve_bw::{SystemGradients, solve_bw};
pub use solve_refined::{Refined, SolveRefined, solve_refined};
pub use subspace_iteration::{LeadingFactors, SubspaceIteration, subspace_iteration};
pub use svd::{Svd, SvdFactors, SvdMode, svd};
pub use svd_bw::svd_bw;
pub use triangular_inverse::{TriangularInverse, triangular_inverse};
pub use triangular_solve::{TriangularSolve, triangular_solve};
pub use triangular_solve_bw::triangular_solve_bw;
pub use tril::tril;
pub use triu::triu;

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

/// The first matrix of a batch that iterations did not decompose, as an error. Waits for the device.
fn check_converged(operation: &'static str, info: &Tensor) -> Result<()> {
    let Some(item) = info.to_vec::<i32>()?.into_iter().position(|info| info != 0) else { return Ok(()) };
    let what = "a matrix holds a NaN or an infinity, or does not converge,".to_owned();
    Err(Error::new(operation, Kind::Numerical { what, index: item }))
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
