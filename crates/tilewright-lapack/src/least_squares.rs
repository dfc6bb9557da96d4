//! Systems without a solution, or with many: least squares and least norms.

use faer::{Mat, MatMut, MatRef};

use crate::arguments::{check_diagonal, extent, leading, letter, scale, workspace};
use crate::call::{Fault, Outcome, threads};
use crate::level3::Triangle;
use crate::memory::{Array, Integers};
use crate::qr::{apply, reflect};
use crate::real::{Real, largest};
use crate::svd::{Vectors, decompose};

/// The least and the largest size between which squares and quotients stay in range.
fn range<T: Real>() -> (T, T) {
    // LAPACK's precision: an epsilon times the base.
    let least = T::SAFE_MINIMUM / (T::EPSILON * T::from_count(2));
    (least, T::ONE / least)
}

/// What a matrix was multiplied by to bring its largest element into range.
fn bring_into_range<T: Real>(a: MatMut<'_, T>) -> Option<T> {
    let size = largest(a.as_ref().col_iter().flat_map(|column| column.iter()).map(|x| x.magnitude()));
    let (least, most) = range::<T>();
    let target = match size {
        size if size == T::ZERO => return None,
        size if size < least => least,
        size if size > most && size.finite() => most,
        _ => return Some(T::ONE),
    };
    let factor = target / size;
    scale(a, factor);
    Some(factor)
}

/// Least squares, or least norm, of a matrix of full rank, or its transpose.
pub(crate) fn gels<T: Real>(
    trans: u8,
    m: i64,
    n: i64,
    nrhs: i64,
    mut a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let turn = letter(trans, b"NT", 1)? == b'T';
    let (m, n, sides) = (extent(m, 2)?, extent(n, 3)?, extent(nrhs, 4)?);
    let lda = leading(lda, m, 6)?;
    let ldb = leading(ldb, m.max(n), 8)?;
    let k = m.min(n);
    if workspace(&mut work, lwork, k + k.max(sides), 10)? {
        return Ok(());
    }
    if k == 0 || sides == 0 {
        b.matrix_mut([m.max(n), sides], ldb).fill(T::ZERO);
        return Ok(());
    }
    let (mut a, mut b) = (a.matrix_mut([m, n], lda), b.matrix_mut([m.max(n), sides], ldb));
    let Some(scale_a) = bring_into_range(a.as_mut()) else {
        b.fill(T::ZERO);
        return Ok(());
    };
    let rows = if turn { n } else { m };
    let scale_b = bring_into_range(b.as_mut().get_mut(..rows, ..)).unwrap_or(T::ONE);
    // Of a wide matrix the transpose is factored: then r is n x n of the tall one's n, and `turn` changes its meaning.
    let tall = m >= n;
    let mut copied = (!tall).then(|| a.as_ref().transpose().to_owned());
    let mut v = copied.as_mut().map_or_else(|| a.as_mut(), |copied| copied.as_mut());
    let tau = reflect(v.as_mut());
    let result = full_rank(v.as_ref(), &tau, turn == tall, b.as_mut());
    if let Some(copied) = copied {
        a.copy_from(copied.as_ref().transpose());
    }
    result?;
    // a x = b of sa a and sb b has the solution (sb / sa) x.
    let rows = if turn { m } else { n };
    let mut x = b.get_mut(..rows, ..);
    scale(x.as_mut(), scale_a);
    scale(x, T::ONE / scale_b);
    Ok(())
}

/// With the reflections of a tall matrix: least squares of it, or least norm of its transpose.
fn full_rank<T: Real>(v: MatRef<'_, T>, tau: &[T], transposed: bool, mut b: MatMut<'_, T>) -> Outcome {
    let (m, n) = v.shape();
    let r = Triangle { a: v.get(..n, ..), upper: true, unit: false };
    check_diagonal(r.a)?;
    if transposed {
        r.turned(true).solve(b.as_mut().get_mut(..n, ..), threads(n));
        b.as_mut().get_mut(n..m, ..).fill(T::ZERO);
        apply(v, tau, false, b);
    } else {
        apply(v, tau, true, b.as_mut());
        r.solve(b.get_mut(..n, ..), threads(n));
    }
    Ok(())
}

/// Least squares of least norm, of any rank, by singular values. Those of at most `rcond` of the largest are zeros; where that is not between 0 and 1,
/// of at most a rounding of it.
pub(crate) fn gelsd<T: Real>(
    m: i64,
    n: i64,
    nrhs: i64,
    mut a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
    mut s: Array<T>,
    rcond: T,
    mut rank: Integers,
    mut work: Array<T>,
    lwork: i64,
    mut iwork: Integers,
) -> Outcome {
    let (m, n, sides) = (extent(m, 1)?, extent(n, 2)?, extent(nrhs, 3)?);
    let lda = leading(lda, m, 5)?;
    let ldb = leading(ldb, m.max(n), 7)?;
    let k = m.min(n);
    let query =
        workspace(&mut work, lwork, if k == 0 { 1 } else { 3 * k + m.max(n).max(2 * k).max(sides) }, 12)?;
    // Levels of LAPACK's division into pieces of 25 rows.
    let levels = (k as f64 / 26.0).log2().floor().max(-1.0) as i64 + 1;
    iwork.set(0, (3 * k * levels.max(0) as usize + 11 * k).max(1));
    if query {
        return Ok(());
    }
    rank.set(0, 0);
    if k == 0 {
        return Ok(());
    }
    let (mut a, mut b) = (a.matrix_mut([m, n], lda), b.matrix_mut([m.max(n), sides], ldb));
    // Of a wide matrix the transpose is factored: a = rᵀ qᵀ.
    let tall = m >= n;
    let mut copied = (!tall).then(|| a.as_ref().transpose().to_owned());
    let mut v = copied.as_mut().map_or_else(|| a.as_mut(), |copied| copied.as_mut());
    let tau = reflect(v.as_mut());
    let r = Mat::from_fn(k, k, |i, j| if i <= j { v[(i, j)] } else { T::ZERO });
    let r = if tall { r } else { r.transpose().to_owned() };
    let found = decompose(r.as_ref(), Vectors::Thin).ok_or(Fault::Numerical(1))?;
    s.write(&found.s);
    let part = if rcond <= T::ZERO || rcond >= T::ONE { T::EPSILON } else { rcond };
    let cut = part * found.s[0];
    let kept = found.s.iter().take_while(|&&s| s > cut).count();
    rank.set(0, kept);
    if tall {
        // The rows below are what no x reaches: their squares add up to those of the residual.
        apply(v.as_ref(), &tau, true, b.as_mut());
    }
    let mut y: Mat<T> = Mat::zeros(kept, sides);
    let par = threads(k.max(sides));
    let ut = found.u().subcols(0, kept).transpose();
    T::product(y.as_mut(), faer::Accum::Replace, ut, b.as_ref().get(..k, ..), T::ONE, par);
    for j in 0..sides {
        y.col_mut(j).iter_mut().zip(&found.s).for_each(|(y, &s)| *y /= s);
    }
    let x = b.as_mut().get_mut(..k, ..);
    T::product(x, faer::Accum::Replace, found.vt().subrows(0, kept).transpose(), y.as_ref(), T::ONE, par);
    if !tall {
        b.as_mut().get_mut(k..n, ..).fill(T::ZERO);
        apply(v.as_ref(), &tau, false, b);
    }
    Ok(())
}
