//! Triangular matrices: inverses, systems, condition.

use faer::Mat;
use faer::linalg::triangular_inverse as inverse;

use crate::arguments::{
    check_diagonal, copy_triangle, extent, leading, transposed, unit as unit_of, upper as upper_of,
};
use crate::call::{Outcome, threads};
use crate::condition;
use crate::level3::Triangle;
use crate::memory::{Array, Integers};
use crate::norms::triangular_norm;
use crate::real::Real;

/// The inverse of a triangular matrix, in its place.
pub(crate) fn trtri<T: Real>(uplo: u8, diag: u8, n: i64, mut a: Array<T>, lda: i64) -> Outcome {
    let (upper, unit) = (upper_of(uplo, 1)?, unit_of(diag, 2)?);
    let n = extent(n, 3)?;
    let lda = leading(lda, n, 5)?;
    if n == 0 {
        return Ok(());
    }
    let mut a = a.matrix_mut([n, n], lda);
    if !unit {
        check_diagonal(a.as_ref())?;
    }
    // Of a unit triangle the diagonal is neither read nor written: it goes through as it is.
    let (from, par) = (a.as_ref(), threads(n));
    let mut x = Mat::from_fn(n, n, |i, j| if i == j { from[(i, i)] } else { T::ZERO });
    match (upper, unit) {
        (false, false) => inverse::invert_lower_triangular(x.as_mut(), from, par),
        (false, true) => inverse::invert_unit_lower_triangular(x.as_mut(), from, par),
        (true, false) => inverse::invert_upper_triangular(x.as_mut(), from, par),
        (true, true) => inverse::invert_unit_upper_triangular(x.as_mut(), from, par),
    }
    copy_triangle(x.as_ref(), a.as_mut(), upper);
    Ok(())
}

/// `op(a) x = b`, where a is triangular and no element of its diagonal is zero.
pub(crate) fn trtrs<T: Real>(
    uplo: u8,
    trans: u8,
    diag: u8,
    n: i64,
    nrhs: i64,
    a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let (upper, turn) = (upper_of(uplo, 1)?, transposed(trans, 2)?);
    let unit = unit_of(diag, 3)?;
    let (n, sides) = (extent(n, 4)?, extent(nrhs, 5)?);
    let (lda, ldb) = (leading(lda, n, 7)?, leading(ldb, n, 9)?);
    if n == 0 {
        return Ok(());
    }
    let a = a.matrix([n, n], lda);
    if !unit {
        check_diagonal(a)?;
    }
    if sides > 0 {
        Triangle { a, upper, unit }.turned(turn).solve(b.matrix_mut([n, sides], ldb), threads(n));
    }
    Ok(())
}

/// The reciprocal of the condition number of a triangular matrix.
pub(crate) fn trcon<T: Real>(
    norm: u8,
    uplo: u8,
    diag: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    mut rcond: Array<T>,
    work: Array<T>,
    _iwork: Integers,
) -> Outcome {
    let infinity = condition::kind(norm, 1)?;
    let (upper, unit) = (upper_of(uplo, 2)?, unit_of(diag, 3)?);
    let n = extent(n, 4)?;
    let lda = leading(lda, n, 6)?;
    let triangle = Triangle { a: a.matrix([n, n], lda), upper, unit };
    let norm = triangular_norm(triangle, infinity);
    // LAPACK's takes one with a NaN for singular.
    let singular = norm.nan() || (!unit && check_diagonal(triangle.a).is_err());
    let result = condition::reciprocal(n, norm, singular, work, |turn, x| {
        triangle.turned(turn != infinity).solve(x, threads(n));
    });
    rcond.write(&[result]);
    Ok(())
}
