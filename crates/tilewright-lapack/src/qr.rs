//! Householder's factorizations `a = q r` and `a = l q`, and products with their q.
//!
//! `a = l q` is the transpose of `aᵀ = qᵀ r`, and its reflections are the same: rows instead of columns.

use faer::{Mat, MatMut, MatRef};

use crate::arguments::{check, extent, leading, right, transposed, turned_mut, workspace};
use crate::call::{Outcome, threads};
use crate::memory::Array;
use crate::real::Real;

/// Makes a column-major a into r and the reflections.
pub(crate) fn reflect<T: Real>(a: MatMut<'_, T>) -> Vec<T> {
    let (m, n) = a.shape();
    let mut tau = vec![T::ZERO; m.min(n)];
    T::reflect(a, &mut tau, threads(m.max(n)));
    tau
}

/// The product of the reflections, or its transpose, with c.
pub(crate) fn apply<T: Real>(v: MatRef<'_, T>, tau: &[T], transpose: bool, c: MatMut<'_, T>) {
    let par = threads(c.nrows().max(c.ncols()));
    T::apply(v, tau, transpose, false, c, par);
}

/// `a = q r`, in place.
pub(crate) fn geqrf<T: Real>(
    m: i64,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut tau: Array<T>,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let (m, n) = (extent(m, 1)?, extent(n, 2)?);
    let lda = leading(lda, m, 4)?;
    if workspace(&mut work, lwork, if m == 0 { 1 } else { n }, 7)? || m == 0 || n == 0 {
        return Ok(());
    }
    tau.write(&reflect(a.matrix_mut([m, n], lda)));
    Ok(())
}

/// `a = l q`, in place.
pub(crate) fn gelqf<T: Real>(
    m: i64,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut tau: Array<T>,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let (m, n) = (extent(m, 1)?, extent(n, 2)?);
    let lda = leading(lda, m, 4)?;
    if workspace(&mut work, lwork, if n == 0 { 1 } else { m }, 7)? || m == 0 || n == 0 {
        return Ok(());
    }
    let mut a = a.matrix_mut([m, n], lda);
    let mut turned = a.as_ref().transpose().to_owned();
    tau.write(&reflect(turned.as_mut()));
    a.copy_from(turned.as_ref().transpose());
    Ok(())
}

/// What `orgqr` and `orglq` do: `rows` says that reflections lie in rows, and so does q.
fn form<T: Real>(
    rows: bool,
    [m, n, k]: [i64; 3],
    (mut a, lda): (Array<T>, i64),
    tau: Array<T>,
    (mut work, lwork): (Array<T>, i64),
) -> Outcome {
    let (m, n) = (extent(m, 1)?, extent(n, 2)?);
    let (order, count) = if rows { (n, m) } else { (m, n) };
    check(count <= order, 2)?;
    let k = extent(k, 3)?;
    check(k <= count, 3)?;
    let lda = leading(lda, m, 5)?;
    if workspace(&mut work, lwork, count, 8)? || count == 0 {
        return Ok(());
    }
    let mut q = turned_mut(a.matrix_mut([m, n], lda), rows);
    let v = q.as_ref().subcols(0, k).to_owned();
    begin(q.as_mut());
    T::apply(v.as_ref(), &tau.read(k), false, true, q, threads(order));
    Ok(())
}

/// The first n columns of q, in the place of its k reflections.
pub(crate) fn orgqr<T: Real>(
    m: i64,
    n: i64,
    k: i64,
    a: Array<T>,
    lda: i64,
    tau: Array<T>,
    work: Array<T>,
    lwork: i64,
) -> Outcome {
    form(false, [m, n, k], (a, lda), tau, (work, lwork))
}

/// The first m rows of q, in the place of its k reflections.
pub(crate) fn orglq<T: Real>(
    m: i64,
    n: i64,
    k: i64,
    a: Array<T>,
    lda: i64,
    tau: Array<T>,
    work: Array<T>,
    lwork: i64,
) -> Outcome {
    form(true, [m, n, k], (a, lda), tau, (work, lwork))
}

/// The beginning of the identity.
fn begin<T: Real>(mut q: MatMut<'_, T>) {
    q.fill(T::ZERO);
    (0..q.ncols()).for_each(|j| q[(j, j)] = T::ONE);
}

/// What `ormqr` and `ormlq` do: `rows` says that reflections lie in rows.
fn apply_side<T: Real>(
    rows: bool,
    [side, trans]: [u8; 2],
    [m, n, k]: [i64; 3],
    (a, lda): (Array<T>, i64),
    tau: Array<T>,
    (mut c, ldc): (Array<T>, i64),
    (mut work, lwork): (Array<T>, i64),
) -> Outcome {
    let right = right(side, 1)?;
    check(trans == b'N' || trans == b'T', 2)?;
    let transpose = transposed(trans, 2)?;
    let (m, n) = (extent(m, 3)?, extent(n, 4)?);
    let (order, others) = if right { (n, m) } else { (m, n) };
    let k = extent(k, 5)?;
    check(k <= order, 5)?;
    let lda = leading(lda, if rows { k } else { order }, 7)?;
    let ldc = leading(ldc, m, 10)?;
    if workspace(&mut work, lwork, others, 12)? || m == 0 || n == 0 || k == 0 {
        return Ok(());
    }
    let copied;
    let v = if rows {
        copied = a.matrix([k, order], lda).transpose().to_owned();
        copied.as_ref()
    } else {
        a.matrix([order, k], lda)
    };
    // `c q` is the transpose of `qᵀ cᵀ`; the q of rows is the transpose of that of columns.
    let transpose = transpose != (right != rows);
    let c = c.matrix_mut([m, n], ldc);
    let tau = tau.read(k);
    if right {
        // Side by side in memory, columns are faster than rows by more than two copies cost.
        let mut turned: Mat<T> = c.as_ref().transpose().to_owned();
        apply(v, &tau, transpose, turned.as_mut());
        let mut c = c;
        c.copy_from(turned.as_ref().transpose());
    } else {
        apply(v, &tau, transpose, c);
    }
    Ok(())
}

/// `c = op(q) c`, or `c op(q)`.
pub(crate) fn ormqr<T: Real>(
    side: u8,
    trans: u8,
    m: i64,
    n: i64,
    k: i64,
    a: Array<T>,
    lda: i64,
    tau: Array<T>,
    c: Array<T>,
    ldc: i64,
    work: Array<T>,
    lwork: i64,
) -> Outcome {
    apply_side(false, [side, trans], [m, n, k], (a, lda), tau, (c, ldc), (work, lwork))
}

/// The same with the q of `a = l q`.
pub(crate) fn ormlq<T: Real>(
    side: u8,
    trans: u8,
    m: i64,
    n: i64,
    k: i64,
    a: Array<T>,
    lda: i64,
    tau: Array<T>,
    c: Array<T>,
    ldc: i64,
    work: Array<T>,
    lwork: i64,
) -> Outcome {
    apply_side(true, [side, trans], [m, n, k], (a, lda), tau, (c, ldc), (work, lwork))
}
