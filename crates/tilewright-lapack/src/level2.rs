//! Matrices and vectors: the second level of BLAS.

use faer::Accum;
use faer::linalg::matmul::triangular::{BlockStructure, matmul};

use crate::arguments::{extent, increment, leading, scale, transposed, turned, turned_mut, unit, upper};
use crate::call::{Outcome, product_threads, threads};
use crate::level3::Triangle;
use crate::memory::Array;
use crate::real::Real;

/// `y = alpha op(a) x + beta y`
pub(crate) fn gemv<T: Real>(
    trans: u8,
    m: i64,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    x: Array<T>,
    incx: i64,
    beta: T,
    mut y: Array<T>,
    incy: i64,
) -> Outcome {
    let turn = transposed(trans, 1)?;
    let (m, n) = (extent(m, 2)?, extent(n, 3)?);
    let lda = leading(lda, m, 6)?;
    let (incx, incy) = (increment(incx, 8)?, increment(incy, 11)?);
    let (rows, terms) = if turn { (n, m) } else { (m, n) };
    if m == 0 || n == 0 {
        return Ok(());
    }
    let mut y = y.vector_mut(rows, incy);
    let accumulate = scale(y.as_mut(), beta);
    if alpha == T::ZERO {
        if matches!(accumulate, Accum::Replace) {
            y.fill(T::ZERO);
        }
        return Ok(());
    }
    let a = turned(a.matrix([m, n], lda), turn);
    T::product(y, accumulate, a, x.vector(terms, incx), alpha, product_threads([rows, 1, terms]));
    Ok(())
}

/// `a = a + alpha x yᵀ`
pub(crate) fn ger<T: Real>(
    m: i64,
    n: i64,
    alpha: T,
    x: Array<T>,
    incx: i64,
    y: Array<T>,
    incy: i64,
    mut a: Array<T>,
    lda: i64,
) -> Outcome {
    let (m, n) = (extent(m, 1)?, extent(n, 2)?);
    let (incx, incy) = (increment(incx, 5)?, increment(incy, 7)?);
    let lda = leading(lda, m, 9)?;
    if m == 0 || n == 0 || alpha == T::ZERO {
        return Ok(());
    }
    let (x, y) = (x.vector(m, incx), y.vector(n, incy));
    T::product(a.matrix_mut([m, n], lda), Accum::Add, x, y.transpose(), alpha, product_threads([m, n, 1]));
    Ok(())
}

/// `y = alpha a x + beta y`, where a is symmetric.
pub(crate) fn symv<T: Real>(
    uplo: u8,
    n: i64,
    alpha: T,
    a: Array<T>,
    lda: i64,
    x: Array<T>,
    incx: i64,
    beta: T,
    mut y: Array<T>,
    incy: i64,
) -> Outcome {
    let upper = upper(uplo, 1)?;
    let n = extent(n, 2)?;
    let lda = leading(lda, n, 5)?;
    let (incx, incy) = (increment(incx, 7)?, increment(incy, 10)?);
    if n == 0 {
        return Ok(());
    }
    let mut y = y.vector_mut(n, incy);
    let accumulate = scale(y.as_mut(), beta);
    if alpha == T::ZERO {
        if matches!(accumulate, Accum::Replace) {
            y.fill(T::ZERO);
        }
        return Ok(());
    }
    let (a, x) = (turned(a.matrix([n, n], lda), upper), x.vector(n, incx));
    let (lower, strict) = (BlockStructure::TriangularLower, BlockStructure::StrictTriangularUpper);
    let (full, par) = (BlockStructure::Rectangular, product_threads([n, n, 1]));
    matmul(y.as_mut(), full, accumulate, a, lower, x, full, alpha, par);
    matmul(y, full, Accum::Add, a.transpose(), strict, x, full, alpha, par);
    Ok(())
}

/// `a = a + alpha x xᵀ`, in one triangle.
pub(crate) fn syr<T: Real>(
    uplo: u8,
    n: i64,
    alpha: T,
    x: Array<T>,
    incx: i64,
    mut a: Array<T>,
    lda: i64,
) -> Outcome {
    let upper = upper(uplo, 1)?;
    let n = extent(n, 2)?;
    let incx = increment(incx, 5)?;
    let lda = leading(lda, n, 7)?;
    if n == 0 || alpha == T::ZERO {
        return Ok(());
    }
    let (a, x) = (turned_mut(a.matrix_mut([n, n], lda), upper), x.vector(n, incx));
    T::product_lower(a, Accum::Add, x, x.transpose(), alpha, product_threads([n, n, 1]));
    Ok(())
}

/// `a = a + alpha x yᵀ + alpha y xᵀ`, in one triangle.
pub(crate) fn syr2<T: Real>(
    uplo: u8,
    n: i64,
    alpha: T,
    x: Array<T>,
    incx: i64,
    y: Array<T>,
    incy: i64,
    mut a: Array<T>,
    lda: i64,
) -> Outcome {
    let upper = upper(uplo, 1)?;
    let n = extent(n, 2)?;
    let (incx, incy) = (increment(incx, 5)?, increment(incy, 7)?);
    let lda = leading(lda, n, 9)?;
    if n == 0 || alpha == T::ZERO {
        return Ok(());
    }
    let mut a = turned_mut(a.matrix_mut([n, n], lda), upper);
    let (x, y, par) = (x.vector(n, incx), y.vector(n, incy), product_threads([n, n, 1]));
    T::product_lower(a.as_mut(), Accum::Add, x, y.transpose(), alpha, par);
    T::product_lower(a, Accum::Add, y, x.transpose(), alpha, par);
    Ok(())
}

/// What `trmv` and `trsv` do, by what is done with the triangle and the vector.
fn with_triangle<T: Real>(
    [uplo, trans, diag]: [u8; 3],
    n: i64,
    (a, lda): (Array<T>, i64),
    (mut x, incx): (Array<T>, i64),
    act: impl FnOnce(Triangle<'_, T>, faer::MatMut<'_, T>),
) -> Outcome {
    let (upper, turn, unit) = (upper(uplo, 1)?, transposed(trans, 2)?, unit(diag, 3)?);
    let n = extent(n, 4)?;
    let lda = leading(lda, n, 6)?;
    let incx = increment(incx, 8)?;
    if n > 0 {
        act(Triangle { a: a.matrix([n, n], lda), upper, unit }.turned(turn), x.vector_mut(n, incx));
    }
    Ok(())
}

/// `x = op(a) x`, where a is triangular.
pub(crate) fn trmv<T: Real>(
    uplo: u8,
    trans: u8,
    diag: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    x: Array<T>,
    incx: i64,
) -> Outcome {
    with_triangle([uplo, trans, diag], n, (a, lda), (x, incx), |triangle, x| {
        let par = threads(x.nrows());
        triangle.multiply(x, T::ONE, par);
    })
}

/// `op(a) x = b`, where a is triangular; b becomes x.
pub(crate) fn trsv<T: Real>(
    uplo: u8,
    trans: u8,
    diag: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    x: Array<T>,
    incx: i64,
) -> Outcome {
    with_triangle([uplo, trans, diag], n, (a, lda), (x, incx), |triangle, x| {
        let par = threads(x.nrows());
        triangle.solve(x, par);
    })
}
