//! Cholesky's factorization of a symmetric positive definite matrix, and what is solved with it.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::triangular_inverse::invert_lower_triangular;
use faer::{Accum, Mat, MatMut, MatRef};

use crate::arguments::{
    check, check_diagonal, copy_triangle, extent, leading, turned, turned_mut, upper as upper_of,
};
use crate::call::{Fault, Outcome, threads};
use crate::condition;
use crate::level3::Triangle;
use crate::memory::{Array, Integers};
use crate::real::Real;

/// The lower factor in the place of the lower triangle; above it nothing is read or written. Of a matrix that is not positive definite the rows
/// below the leading minor that is not are factored as far as it reaches, as LAPACK leaves them.
fn factor<T: Real>(mut a: MatMut<'_, T>) -> Outcome {
    let (n, par) = (a.nrows(), threads(a.nrows()));
    let run = |l: &mut Mat<T>| -> Option<usize> {
        let size = l.nrows();
        let failed = T::cholesky(l.as_mut(), par).err();
        // A NaN may pass for a pivot.
        (0..failed.unwrap_or(size)).find(|&k| l[(k, k)].nan()).or(failed)
    };
    // The factorization uses the other triangle as its workspace, which the caller's is not for.
    let lower = |a: MatRef<'_, T>, size: usize| {
        let mut l = Mat::zeros(size, size);
        copy_triangle(a.get(..size, ..size), l.as_mut(), false);
        l
    };
    let mut l = lower(a.as_ref(), n);
    let Some(k) = run(&mut l) else {
        copy_triangle(l.as_ref(), a, false);
        return Ok(());
    };
    let mut l = lower(a.as_ref(), k);
    run(&mut l);
    copy_triangle(l.as_ref(), a.as_mut().get_mut(..k, ..k), false);
    let below = a.get_mut(k.., ..k);
    Triangle { a: l.as_ref(), upper: false, unit: false }.solve(below.transpose_mut(), par);
    Err(Fault::Numerical(k as i64 + 1))
}

fn substitute<T: Real>(factor: MatRef<'_, T>, upper: bool, mut b: MatMut<'_, T>) {
    let par = threads(factor.nrows());
    let triangle = Triangle { a: factor, upper, unit: false };
    triangle.turned(upper).solve(b.as_mut(), par);
    triangle.turned(!upper).solve(b, par);
}

/// `a = l lᵀ` or `uᵀ u`, in place.
pub(crate) fn potrf<T: Real>(uplo: u8, n: i64, mut a: Array<T>, lda: i64) -> Outcome {
    let upper = upper_of(uplo, 1)?;
    let n = extent(n, 2)?;
    let lda = leading(lda, n, 4)?;
    if n == 0 { Ok(()) } else { factor(turned_mut(a.matrix_mut([n, n], lda), upper)) }
}

/// `a x = b`, with the factor of a.
pub(crate) fn potrs<T: Real>(
    uplo: u8,
    n: i64,
    nrhs: i64,
    a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let upper = upper_of(uplo, 1)?;
    let (n, sides) = (extent(n, 2)?, extent(nrhs, 3)?);
    let (lda, ldb) = (leading(lda, n, 5)?, leading(ldb, n, 7)?);
    if n > 0 && sides > 0 {
        substitute(a.matrix([n, n], lda), upper, b.matrix_mut([n, sides], ldb));
    }
    Ok(())
}

/// `a x = b`: a becomes its factor, b becomes x.
pub(crate) fn posv<T: Real>(
    uplo: u8,
    n: i64,
    nrhs: i64,
    mut a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let upper = upper_of(uplo, 1)?;
    let (n, sides) = (extent(n, 2)?, extent(nrhs, 3)?);
    let (lda, ldb) = (leading(lda, n, 5)?, leading(ldb, n, 7)?);
    if n == 0 {
        return Ok(());
    }
    factor(turned_mut(a.matrix_mut([n, n], lda), upper))?;
    if sides > 0 {
        substitute(a.matrix([n, n], lda), upper, b.matrix_mut([n, sides], ldb));
    }
    Ok(())
}

/// The inverse, from the factor of a, in its place.
pub(crate) fn potri<T: Real>(uplo: u8, n: i64, mut a: Array<T>, lda: i64) -> Outcome {
    let upper = upper_of(uplo, 1)?;
    let n = extent(n, 2)?;
    let lda = leading(lda, n, 4)?;
    if n == 0 {
        return Ok(());
    }
    let (mut a, par) = (turned_mut(a.matrix_mut([n, n], lda), upper), threads(n));
    check_diagonal(a.as_ref())?;
    let mut inverse = Mat::zeros(n, n);
    invert_lower_triangular(inverse.as_mut(), a.as_ref(), par);
    let (lower, inverse) = (BlockStructure::TriangularLower, inverse.as_ref());
    let structure = BlockStructure::TriangularUpper;
    matmul(a.as_mut(), lower, Accum::Replace, inverse.transpose(), structure, inverse, lower, T::ONE, par);
    Ok(())
}

/// The reciprocal of the condition number, from the factor of a and its norm.
pub(crate) fn pocon<T: Real>(
    uplo: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    anorm: T,
    mut rcond: Array<T>,
    work: Array<T>,
    _iwork: Integers,
) -> Outcome {
    let upper = upper_of(uplo, 1)?;
    let n = extent(n, 2)?;
    let lda = leading(lda, n, 4)?;
    check(anorm >= T::ZERO || anorm.nan(), 5)?;
    let factor = turned(a.matrix([n, n], lda), upper);
    let singular = check_diagonal(factor).is_err();
    rcond.write(&[condition::reciprocal(n, anorm, singular, work, |_, x| substitute(factor, false, x))]);
    Ok(())
}
