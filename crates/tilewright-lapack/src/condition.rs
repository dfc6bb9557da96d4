//! Condition numbers, by an estimate of the norm of an inverse that is not formed.

use faer::{MatMut, MatRef};

use crate::arguments::{check, letter};
use crate::call::{Fault, Outcome};
use crate::memory::Array;
use crate::real::Real;

/// NORM: whether it is the infinity norm, and not the 1-norm.
pub(crate) fn kind(norm: u8, position: i64) -> Outcome<bool> {
    Ok(letter(norm, b"1OI", position)? == b'I')
}

/// ANORM, of an n x n matrix. As LAPACK 3.12 has it, one that is no number is no fault of the caller's that `xerbla` is told of: NaN has the condition
/// NaN, infinity 0, and INFO names the argument.
pub(crate) fn finite_norm<T: Real>(norm: T, n: usize, rcond: &mut Array<T>, position: i64) -> Outcome {
    check(norm >= T::ZERO || norm.nan(), position)?;
    if n == 0 || norm.finite() {
        return Ok(());
    }
    rcond.write(&[if norm.nan() { norm } else { T::ZERO }]);
    Err(Fault::Numerical(-position))
}

/// `1 / (norm |a⁻¹|)` in the 1-norm; `work`, of 2 n elements, gets the vector that shows it in its second half. `solve(turn, x)` makes x into `a⁻¹ x`, or `a⁻ᵀ x`. The infinity norm is that of the transpose.
pub(crate) fn reciprocal<T: Real>(
    n: usize,
    norm: T,
    singular: bool,
    mut work: Array<T>,
    solve: impl FnMut(bool, MatMut<'_, T>),
) -> T {
    if n == 0 {
        return T::ONE;
    }
    if singular || norm == T::ZERO {
        return T::ZERO;
    }
    let (inverse, steepest) = T::inverse_norm(n, solve);
    // LAPACK's own TGSYL reads the vector here.
    work.matrix_mut([2 * n, 1], 2 * n)
        .get_mut(n.., ..)
        .copy_from(MatRef::from_column_major_slice(&steepest, n, 1));
    // A norm that overflows is that of a matrix that is singular to every purpose.
    if inverse.nan() { T::ZERO } else { T::ONE / inverse / norm }
}
