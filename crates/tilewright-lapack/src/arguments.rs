//! The checks that routines have in common. Each names the argument, counted from 1, that it refuses.

use faer::{Accum, MatMut, MatRef};

use crate::call::{Fault, Outcome};
use crate::memory::Array;
use crate::real::Real;

pub(crate) fn check(is_right: bool, position: i64) -> Outcome {
    if is_right { Ok(()) } else { Err(Fault::Argument(position)) }
}

/// An extent.
pub(crate) fn extent(n: i64, position: i64) -> Outcome<usize> {
    usize::try_from(n).map_err(|_| Fault::Argument(position))
}

/// The distance between columns of so many rows.
pub(crate) fn leading(distance: i64, rows: usize, position: i64) -> Outcome<usize> {
    let distance = extent(distance, position)?;
    check(distance >= rows.max(1), position)?;
    Ok(distance)
}

/// The distance between the elements of a vector.
pub(crate) fn increment(distance: i64, position: i64) -> Outcome<isize> {
    check(distance != 0, position)?;
    Ok(distance as isize)
}

/// One of the letters.
pub(crate) fn letter(flag: u8, among: &[u8], position: i64) -> Outcome<u8> {
    check(among.contains(&flag), position)?;
    Ok(flag)
}

/// TRANS: whether it is T, or C, which for real numbers is the same.
pub(crate) fn transposed(flag: u8, position: i64) -> Outcome<bool> {
    Ok(letter(flag, b"NTC", position)? != b'N')
}

/// UPLO: whether it is U.
pub(crate) fn upper(flag: u8, position: i64) -> Outcome<bool> {
    Ok(letter(flag, b"UL", position)? == b'U')
}

/// DIAG: whether it is U.
pub(crate) fn unit(flag: u8, position: i64) -> Outcome<bool> {
    Ok(letter(flag, b"UN", position)? == b'U')
}

/// SIDE: whether it is R.
pub(crate) fn right(flag: u8, position: i64) -> Outcome<bool> {
    Ok(letter(flag, b"LR", position)? == b'R')
}

/// LWORK, of a workspace that needs so many elements: whether that is all the caller asks. The workspace itself is not used; its first element
/// becomes the number, as the documentation of every routine says.
pub(crate) fn workspace<T: Real>(
    work: &mut Array<T>,
    given: i64,
    needed: usize,
    position: i64,
) -> Outcome<bool> {
    let needed = needed.max(1);
    check(given == -1 || given >= needed as i64, position)?;
    let number = T::from_count(needed);
    // A count too long for the type is told larger, never smaller.
    work.write(&[if number < T::ONE / T::EPSILON { number } else { number.up() }]);
    Ok(given == -1)
}

/// `op(a)` as a view.
pub(crate) fn turned<T>(a: MatRef<'_, T>, transpose: bool) -> MatRef<'_, T> {
    if transpose { a.transpose() } else { a }
}

pub(crate) fn turned_mut<T>(a: MatMut<'_, T>, transpose: bool) -> MatMut<'_, T> {
    if transpose { a.transpose_mut() } else { a }
}

/// Makes `c` into `beta c`; says whether what comes next is to be added to it. Of a beta of 0 nothing of `c` is read.
pub(crate) fn scale<T: Real>(mut c: MatMut<'_, T>, beta: T) -> Accum {
    if beta == T::ZERO {
        return Accum::Replace;
    }
    if beta != T::ONE {
        c.as_mut().col_iter_mut().for_each(|column| column.iter_mut().for_each(|x| *x *= beta));
    }
    Accum::Add
}

/// Copies the triangle of a square matrix, with its diagonal.
pub(crate) fn copy_triangle<T: Real>(from: MatRef<'_, T>, mut to: MatMut<'_, T>, upper: bool) {
    let n = from.nrows();
    for j in 0..from.ncols() {
        let rows = if upper { 0..(j + 1).min(n) } else { j.min(n)..n };
        rows.for_each(|i| to[(i, j)] = from[(i, j)]);
    }
}

/// The first zero on a diagonal, counted from 1, as a fault.
pub(crate) fn check_diagonal<T: Real>(a: MatRef<'_, T>) -> Outcome {
    match (0..a.nrows().min(a.ncols())).find(|&k| a[(k, k)] == T::ZERO) {
        Some(k) => Err(Fault::Numerical(k as i64 + 1)),
        None => Ok(()),
    }
}
