//! Singular values and vectors.

use faer::MatRef;

use crate::arguments::{check, extent, leading, letter, workspace};
use crate::call::{Fault, Outcome, threads};
use crate::memory::{Array, Integers};
use crate::real::Real;

/// `a = u diag(s) vt`, with as many columns of u, or rows of vt, as were asked for of the longer side.
pub(crate) struct Factors<T> {
    pub(crate) s: Vec<T>,
    /// Row-major, of the matrix or of its transpose, whichever is tall.
    left: Vec<T>,
    right: Vec<T>,
    shape: [usize; 2],
    long: usize,
}

/// Which vectors of the longer side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vectors {
    None,
    Thin,
    Full,
}

/// `None` where there is a NaN, an infinity or no convergence.
pub(crate) fn decompose<T: Real>(a: MatRef<'_, T>, vectors: Vectors) -> Option<Factors<T>> {
    let shape = [a.nrows(), a.ncols()];
    let tall = if shape[0] < shape[1] { a.transpose() } else { a };
    let (m, n) = tall.shape();
    let long = if vectors == Vectors::Full { m } else { n };
    let size = |size: usize| if vectors == Vectors::None { 0 } else { size };
    let (mut left, mut right) = (vec![T::ZERO; size(m * long)], vec![T::ZERO; size(n * n)]);
    let mut s = vec![T::ZERO; n];
    let done = T::svd(tall, [&mut left, &mut right], &mut s, long, threads(m));
    done.then_some(Factors { s, left, right, shape, long })
}

impl<T: Real> Factors<T> {
    fn sides(&self) -> [MatRef<'_, T>; 2] {
        let (m, n) = (self.shape[0].max(self.shape[1]), self.s.len());
        [
            MatRef::from_row_major_slice(&self.left, m, self.long),
            MatRef::from_row_major_slice(&self.right, n, n),
        ]
    }

    pub(crate) fn u(&self) -> MatRef<'_, T> {
        let [left, right] = self.sides();
        if self.shape[0] < self.shape[1] { right.transpose() } else { left }
    }

    pub(crate) fn vt(&self) -> MatRef<'_, T> {
        let [left, right] = self.sides();
        if self.shape[0] < self.shape[1] { left.transpose() } else { right }
    }
}

/// INFO of iterations that do not end.
const UNCONVERGED: Fault = Fault::Numerical(1);

/// Both sides' vectors, by one letter.
pub(crate) fn gesdd<T: Real>(
    jobz: u8,
    m: i64,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut s: Array<T>,
    mut u: Array<T>,
    ldu: i64,
    mut vt: Array<T>,
    ldvt: i64,
    mut work: Array<T>,
    lwork: i64,
    _iwork: Integers,
) -> Outcome {
    let jobz = letter(jobz, b"NSAO", 1)?;
    let (m, n) = (extent(m, 2)?, extent(n, 3)?);
    let k = m.min(n);
    let lda = leading(lda, m, 5)?;
    let has_u = jobz == b'S' || jobz == b'A' || jobz == b'O' && m < n;
    let has_vt = jobz == b'S' || jobz == b'A' || jobz == b'O' && m >= n;
    let ldu = leading(ldu, if has_u { m } else { 0 }, 8)?;
    let rows_vt = match jobz {
        b'S' => k,
        _ if has_vt => n,
        _ => 0,
    };
    let ldvt = leading(ldvt, rows_vt, 10)?;
    // What LAPACK's documentation asks for at least; its own check asks for less on some paths, and so does this one.
    // A query is told what LAPACK tells: less where neither side is so much longer that a QR decomposition comes first.
    let (least, told) = match jobz {
        b'N' => (7 * k, m + n + 10 * k),
        _ if 6 * m.max(n) < 11 * k => (3 * k, 3 * k * k + 6 * k + m.max(n)),
        _ => (3 * k, 4 * k * k + 10 * k + m + n),
    };
    if lwork != -1 {
        check(lwork >= least.max(1) as i64, 12)?;
    }
    if workspace(&mut work, if lwork == -1 { -1 } else { i64::MAX }, told, 12)? || k == 0 {
        return Ok(());
    }
    let mut a = a.matrix_mut([m, n], lda);
    if a.as_ref().col_iter().any(|column| column.iter().any(|x| x.nan())) {
        return Err(Fault::Argument(4));
    }
    let vectors = match jobz {
        b'N' => Vectors::None,
        b'A' => Vectors::Full,
        _ => Vectors::Thin,
    };
    let found = decompose(a.as_ref(), vectors).ok_or(UNCONVERGED)?;
    s.write(&found.s);
    if has_u {
        u.matrix_mut([m, found.u().ncols()], ldu).copy_from(found.u());
    }
    if has_vt {
        vt.matrix_mut([found.vt().nrows(), n], ldvt).copy_from(found.vt());
    }
    if jobz == b'O' {
        a.copy_from(if m >= n { found.u() } else { found.vt() });
    }
    Ok(())
}

/// Each side's vectors, by a letter of its own.
pub(crate) fn gesvd<T: Real>(
    jobu: u8,
    jobvt: u8,
    m: i64,
    n: i64,
    mut a: Array<T>,
    lda: i64,
    mut s: Array<T>,
    mut u: Array<T>,
    ldu: i64,
    mut vt: Array<T>,
    ldvt: i64,
    mut work: Array<T>,
    lwork: i64,
) -> Outcome {
    let jobu = letter(jobu, b"ASON", 1)?;
    let jobvt = letter(jobvt, b"ASON", 2)?;
    check(!(jobu == b'O' && jobvt == b'O'), 2)?;
    let (m, n) = (extent(m, 3)?, extent(n, 4)?);
    let k = m.min(n);
    let lda = leading(lda, m, 6)?;
    let ldu = leading(ldu, if jobu == b'A' || jobu == b'S' { m } else { 0 }, 9)?;
    let rows_vt = match jobvt {
        b'A' => n,
        b'S' => k,
        _ => 0,
    };
    let ldvt = leading(ldvt, rows_vt, 11)?;
    let needed = if k == 0 { 1 } else { (3 * k + m.max(n)).max(5 * k) };
    if workspace(&mut work, lwork, needed, 13)? || k == 0 {
        return Ok(());
    }
    let mut a = a.matrix_mut([m, n], lda);
    let vectors = match (jobu, jobvt) {
        (b'N', b'N') => Vectors::None,
        (b'A', _) if m > n => Vectors::Full,
        (_, b'A') if m < n => Vectors::Full,
        _ => Vectors::Thin,
    };
    let found = decompose(a.as_ref(), vectors).ok_or(UNCONVERGED)?;
    s.write(&found.s);
    if vectors == Vectors::None {
        return Ok(());
    }
    // The thin vectors are the first of all.
    let thin = [found.u().get(.., ..k), found.vt().get(..k, ..)];
    match jobu {
        b'A' => u.matrix_mut([m, m], ldu).copy_from(found.u()),
        b'S' => u.matrix_mut([m, k], ldu).copy_from(thin[0]),
        b'O' => a.as_mut().get_mut(.., ..k).copy_from(thin[0]),
        _ => (),
    }
    match jobvt {
        b'A' => vt.matrix_mut([n, n], ldvt).copy_from(found.vt()),
        b'S' => vt.matrix_mut([k, n], ldvt).copy_from(thin[1]),
        b'O' => a.as_mut().get_mut(..k, ..).copy_from(thin[1]),
        _ => (),
    }
    Ok(())
}
