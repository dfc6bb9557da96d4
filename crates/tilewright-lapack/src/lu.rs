//! Gaussian elimination with partial pivoting, and what is solved with it.

use faer::linalg::triangular_inverse::invert_upper_triangular;
use faer::{Mat, MatMut, MatRef};

use crate::arguments::{check, check_diagonal, extent, leading, transposed, workspace};
use crate::call::{Fault, Outcome, threads};
use crate::condition;
use crate::level3::Triangle;
use crate::memory::{Array, Integers};
use crate::real::Real;

/// Eliminates, and gives the exchanges that ipiv now says.
fn factor<T: Real>(mut a: MatMut<'_, T>, ipiv: &mut Integers) -> Outcome<Vec<usize>> {
    let (m, n) = a.shape();
    let mut swaps = vec![0; m.min(n)];
    T::eliminate(a.as_mut(), &mut swaps, threads(m.max(n)));
    swaps.iter().enumerate().for_each(|(k, &row)| ipiv.set(k, row + 1));
    check_diagonal(a.as_ref())?;
    Ok(swaps)
}

/// The exchanges of an elimination of n rows. Rows that do not exist are refused rather than written.
fn exchanges(ipiv: &Integers, n: usize, position: i64) -> Outcome<Vec<usize>> {
    let row = |k| usize::try_from(ipiv.get(k) - 1).ok().filter(|&row| row < n);
    (0..n).map(|k| row(k).ok_or(Fault::Argument(position))).collect()
}

fn exchange_back<T: Real>(b: MatMut<'_, T>, swaps: &[usize]) {
    for mut column in b.col_iter_mut() {
        for (k, &other) in swaps.iter().enumerate().rev() {
            let (x, y) = (column[k], column[other]);
            (column[k], column[other]) = (y, x);
        }
    }
}

fn substitute<T: Real>(lu: MatRef<'_, T>, swaps: &[usize], turn: bool, mut b: MatMut<'_, T>) {
    let par = threads(lu.nrows());
    let l = Triangle { a: lu, upper: false, unit: true };
    let u = Triangle { a: lu, upper: true, unit: false };
    if turn {
        u.turned(true).solve(b.as_mut(), par);
        l.turned(true).solve(b.as_mut(), par);
        exchange_back(b, swaps);
    } else {
        T::exchange(b.as_mut(), swaps);
        l.solve(b.as_mut(), par);
        u.solve(b, par);
    }
}

/// `a = p l u`, in place.
pub(crate) fn getrf<T: Real>(m: i64, n: i64, mut a: Array<T>, lda: i64, mut ipiv: Integers) -> Outcome {
    let (m, n) = (extent(m, 1)?, extent(n, 2)?);
    let lda = leading(lda, m, 4)?;
    if m == 0 || n == 0 {
        return Ok(());
    }
    factor(a.matrix_mut([m, n], lda), &mut ipiv).map(drop)
}

/// `op(a) x = b`, with the factors of a.
pub(crate) fn getrs<T: Real>(
    trans: u8,
    n: i64,
    nrhs: i64,
    a: Array<T>,
    lda: i64,
    ipiv: Integers,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let turn = transposed(trans, 1)?;
    let (n, sides) = (extent(n, 2)?, extent(nrhs, 3)?);
    let (lda, ldb) = (leading(lda, n, 5)?, leading(ldb, n, 8)?);
    if n == 0 || sides == 0 {
        return Ok(());
    }
    let swaps = exchanges(&ipiv, n, 6)?;
    substitute(a.matrix([n, n], lda), &swaps, turn, b.matrix_mut([n, sides], ldb));
    Ok(())
}

/// `a x = b`: a becomes its factors, b becomes x.
pub(crate) fn gesv<T: Real>(
    n: i64,
    nrhs: i64,
    mut a: Array<T>,
    lda: i64,
    mut ipiv: Integers,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let (n, sides) = (extent(n, 1)?, extent(nrhs, 2)?);
    let (lda, ldb) = (leading(lda, n, 4)?, leading(ldb, n, 7)?);
    if n == 0 {
        return Ok(());
    }
    let swaps = factor(a.matrix_mut([n, n], lda), &mut ipiv)?;
    if sides > 0 {
        substitute(a.matrix([n, n], lda), &swaps, false, b.matrix_mut([n, sides], ldb));
    }
    Ok(())
}

/// The inverse, from the factors of a, in their place.
pub(crate) fn getri<T: Real>(
    n: i64,
    mut a: Array<T>,
    lda: i64,
    ipiv: Integers,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let n = extent(n, 1)?;
    let lda = leading(lda, n, 3)?;
    if workspace(&mut work, lwork, n, 6)? || n == 0 {
        return Ok(());
    }
    let swaps = exchanges(&ipiv, n, 4)?;
    let mut a = a.matrix_mut([n, n], lda);
    check_diagonal(a.as_ref())?;
    let par = threads(n);
    // x l = u⁻¹ as lᵀ xᵀ = u⁻ᵀ.
    let mut x = Mat::zeros(n, n);
    invert_upper_triangular(x.as_mut(), a.as_ref(), par);
    let l = Triangle { a: a.as_ref(), upper: false, unit: true };
    l.turned(true).solve(x.as_mut().transpose_mut(), par);
    for (k, &other) in swaps.iter().enumerate().rev() {
        if other != k {
            let (first, second) = x.as_mut().two_cols_mut(k, other);
            faer::zip!(first, second).for_each(|faer::unzip!(x, y)| std::mem::swap(x, y));
        }
    }
    a.copy_from(x.as_ref());
    Ok(())
}

/// Exchanges rows as `ipiv` says, from row k1 to row k2; backwards for a negative increment.
pub(crate) fn laswp<T: Real>(
    n: i64,
    mut a: Array<T>,
    lda: i64,
    k1: i64,
    k2: i64,
    ipiv: Integers,
    incx: i64,
) -> Outcome {
    let n = extent(n, 1)?;
    if n == 0 || incx == 0 || k2 < k1 {
        return Ok(());
    }
    check(k1 >= 1, 4)?;
    let place = |k: i64| (k1 - 1 + (k - k1) * incx.abs()) as usize;
    let mut swaps: Vec<(usize, usize)> = Vec::new();
    for k in k1..=k2 {
        let other = usize::try_from(ipiv.get(place(k)) - 1).map_err(|_| Fault::Argument(6))?;
        swaps.push((k as usize - 1, other));
    }
    if incx < 0 {
        swaps.reverse();
    }
    let rows = 1 + swaps.iter().map(|&(row, other)| row.max(other)).max().unwrap_or(0);
    let lda = leading(lda, rows, 3)?;
    for mut column in a.matrix_mut([rows, n], lda).col_iter_mut() {
        for &(row, other) in &swaps {
            let (x, y) = (column[row], column[other]);
            (column[row], column[other]) = (y, x);
        }
    }
    Ok(())
}

/// The reciprocal of the condition number, from the factors of a and its norm.
pub(crate) fn gecon<T: Real>(
    norm: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    anorm: T,
    mut rcond: Array<T>,
    work: Array<T>,
    _iwork: Integers,
) -> Outcome {
    let infinity = condition::kind(norm, 1)?;
    let n = extent(n, 2)?;
    let lda = leading(lda, n, 4)?;
    condition::finite_norm(anorm, n, &mut rcond, 5)?;
    let a = a.matrix([n, n], lda);
    // The exchanges change neither norm of the inverse but by the order of its columns.
    let result = condition::reciprocal(n, anorm, check_diagonal(a).is_err(), work, |turn, x| {
        substitute(a, &[], turn != infinity, x);
    });
    rcond.write(&[result]);
    Ok(())
}
