//! Eigenvalues and eigenvectors, of symmetric and of general matrices.

use faer::{MatMut, MatRef};

use crate::arguments::{check, extent, leading, letter, turned, upper, workspace};
use crate::balance::balance;
use crate::call::{Fault, Outcome, threads};
use crate::memory::{Array, Integers};
use crate::real::Real;

/// JOBZ: whether it is V.
fn wanted(flag: u8, position: i64) -> Outcome<bool> {
    Ok(letter(flag, b"NV", position)? == b'V')
}

/// The values, rising, and the vectors, row-major or none.
fn symmetric<T: Real>(a: MatRef<'_, T>, upper: bool, vectors: bool) -> Outcome<(Vec<T>, Vec<T>)> {
    let n = a.nrows();
    let mut values = vec![T::ZERO; n];
    let mut found = vec![T::ZERO; if vectors { n * n } else { 0 }];
    match T::eigh(turned(a, upper), &mut values, &mut found, threads(n)) {
        true => Ok((values, found)),
        false => Err(Fault::Numerical(n.max(1) as i64)),
    }
}

fn decompose<T: Real>(mut a: MatMut<'_, T>, upper: bool, vectors: bool, w: &mut Array<T>) -> Outcome {
    let n = a.nrows();
    let (values, found) = symmetric(a.as_ref(), upper, vectors)?;
    w.write(&values);
    if vectors {
        a.copy_from(MatRef::from_row_major_slice(&found, n, n));
    }
    Ok(())
}

/// Of a symmetric matrix; the vectors take its place.
pub(crate) fn syev<T: Real>(
    jobz: u8,
    uplo: u8,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut w: Array<T>,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let (vectors, upper) = (wanted(jobz, 1)?, upper(uplo, 2)?);
    let n = extent(n, 3)?;
    let lda = leading(lda, n, 5)?;
    if workspace(&mut work, lwork, (3 * n).saturating_sub(1), 8)? || n == 0 {
        return Ok(());
    }
    decompose(a.matrix_mut([n, n], lda), upper, vectors, &mut w)
}

/// IWORK beside WORK: whether either is a query; then both are answered.
fn workspaces<T: Real>(
    work: &mut Array<T>,
    lwork: (i64, usize, i64),
    iwork: &mut Integers,
    liwork: (i64, usize, i64),
) -> Outcome<bool> {
    let query = lwork.0 == -1 || liwork.0 == -1;
    workspace(work, if query { -1 } else { lwork.0 }, lwork.1, lwork.2)?;
    iwork.set(0, liwork.1);
    if !query {
        check(liwork.0 >= liwork.1 as i64, liwork.2)?;
    }
    Ok(query)
}

/// The same, by the interface of divide and conquer.
pub(crate) fn syevd<T: Real>(
    jobz: u8,
    uplo: u8,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut w: Array<T>,
    mut work: Array<T>,
    lwork: i64,
    mut iwork: Integers,
    liwork: i64,
) -> Outcome {
    let (vectors, upper) = (wanted(jobz, 1)?, upper(uplo, 2)?);
    let n = extent(n, 3)?;
    let lda = leading(lda, n, 5)?;
    let needed = match (n, vectors) {
        (0 | 1, _) => (1, 1),
        (_, true) => (1 + 6 * n + 2 * n * n, 3 + 5 * n),
        _ => (2 * n + 1, 1),
    };
    if workspaces(&mut work, (lwork, needed.0, 8), &mut iwork, (liwork, needed.1, 10))? || n == 0 {
        return Ok(());
    }
    decompose(a.matrix_mut([n, n], lda), upper, vectors, &mut w)
}

/// All of them, those in an interval, or those with the numbers il to iu. All are computed, whichever are asked for.
pub(crate) fn syevr<T: Real>(
    jobz: u8,
    range: u8,
    uplo: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    vl: T,
    vu: T,
    il: i64,
    iu: i64,
    _abstol: T,
    mut m: Integers,
    mut w: Array<T>,
    mut z: Array<T>,
    ldz: i64,
    mut isuppz: Integers,
    mut work: Array<T>,
    lwork: i64,
    mut iwork: Integers,
    liwork: i64,
) -> Outcome {
    let vectors = wanted(jobz, 1)?;
    let range = letter(range, b"AVI", 2)?;
    let upper = upper(uplo, 3)?;
    let n = extent(n, 4)?;
    let lda = leading(lda, n, 6)?;
    if range == b'V' {
        check(n == 0 || vl < vu, 8)?;
    }
    if range == b'I' {
        check(il >= 1 && il <= n.max(1) as i64, 9)?;
        check(iu >= il.min(n as i64) && iu <= n as i64, 10)?;
    }
    let ldz = leading(ldz, if vectors { n } else { 0 }, 15)?;
    let needed = if n <= 1 { (1, 1) } else { (26 * n, 10 * n) };
    if workspaces(&mut work, (lwork, needed.0, 18), &mut iwork, (liwork, needed.1, 20))? {
        return Ok(());
    }
    m.set(0, 0);
    if n == 0 {
        return Ok(());
    }
    let (values, found) = symmetric(a.matrix([n, n], lda), upper, vectors)?;
    let chosen = match range {
        b'V' => values.partition_point(|&x| x <= vl)..values.partition_point(|&x| x <= vu),
        b'I' => il as usize - 1..iu as usize,
        _ => 0..n,
    };
    m.set(0, chosen.len());
    w.write(&values[chosen.clone()]);
    if vectors {
        let found = MatRef::from_row_major_slice(&found, n, n).subcols(chosen.start, chosen.len());
        z.matrix_mut([n, chosen.len()], ldz).copy_from(found);
        // Which elements of a vector are not zero: any may be. LAPACK tells it of whole sets of vectors alone, and callers have no room else.
        if chosen.len() == n && range != b'V' {
            for k in 0..n {
                isuppz.set(2 * k, 1);
                isuppz.set(2 * k + 1, n);
            }
        }
    }
    Ok(())
}

/// Of a general matrix, which is balanced first: values, left and right vectors of length 1, the longest component of which is real.
pub(crate) fn geev<T: Real>(
    jobvl: u8,
    jobvr: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    mut wr: Array<T>,
    mut wi: Array<T>,
    mut vl: Array<T>,
    ldvl: i64,
    mut vr: Array<T>,
    ldvr: i64,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let (left, right) = (wanted(jobvl, 1)?, wanted(jobvr, 2)?);
    let n = extent(n, 3)?;
    let lda = leading(lda, n, 5)?;
    let ldvl = leading(ldvl, if left { n } else { 0 }, 9)?;
    let ldvr = leading(ldvr, if right { n } else { 0 }, 11)?;
    if workspace(&mut work, lwork, if left || right { 4 * n } else { 3 * n }, 13)? || n == 0 {
        return Ok(());
    }
    let mut balanced = a.matrix([n, n], lda).to_owned();
    let balance = balance(balanced.as_mut());
    let found = T::eig(balanced.as_ref(), [right, left], threads(n));
    let (values, [mut rights, mut lefts]) = found.ok_or(Fault::Numerical(n as i64))?;
    let imaginary: Vec<T> = values.iter().map(|value| value.1).collect();
    for (wanted, columns, is_left) in [(right, &mut rights, false), (left, &mut lefts, true)] {
        if wanted {
            balance.undo(columns, &imaginary, is_left);
        }
    }
    wr.write(&values.iter().map(|value| value.0).collect::<Vec<_>>());
    wi.write(&imaginary);
    for (wanted, columns, v, leading) in [(right, rights, &mut vr, ldvr), (left, lefts, &mut vl, ldvl)] {
        if wanted {
            let mut v = v.matrix_mut([n, n], leading);
            for (to, from) in v.as_mut().col_iter_mut().zip(&columns) {
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }
    Ok(())
}
