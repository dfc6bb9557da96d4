//! Norms, and copies of matrices.

use faer::MatRef;

use crate::arguments::{extent, leading, upper};
use crate::call::Outcome;
use crate::level1::euclidean;
use crate::level3::Triangle;
use crate::memory::Array;
use crate::real::{Real, largest};

/// The norm that the letter names, of the elements that `rows` gives for each column; 0 for other letters, as LAPACK's.
fn norm<T: Real>(letter: u8, a: MatRef<'_, T>, element: impl Fn(usize, usize) -> T) -> T {
    let (m, n) = a.shape();
    let column = |j: usize| (0..m).map(|i| element(i, j).magnitude()).collect::<Vec<T>>();
    match letter {
        b'M' => largest((0..n).flat_map(column)),
        b'O' | b'1' => largest((0..n).map(|j| column(j).into_iter().fold(T::ZERO, |sum, x| sum + x))),
        b'I' => {
            let mut sums = vec![T::ZERO; m];
            (0..n).for_each(|j| sums.iter_mut().zip(column(j)).for_each(|(sum, x)| *sum += x));
            largest(sums)
        }
        b'F' | b'E' => euclidean(|| (0..n).flat_map(column)),
        _ => T::ZERO,
    }
}

/// The largest element, the largest sum of a column or row, or the root of the sum of squares.
pub(crate) fn lange<T: Real>(
    letter: u8,
    m: i64,
    n: i64,
    a: Array<T>,
    lda: i64,
    _work: Array<T>,
) -> Outcome<T> {
    let (m, n) = (extent(m, 2)?, extent(n, 3)?);
    let lda = leading(lda, m, 5)?;
    let a = a.matrix([m, n], lda);
    Ok(norm(letter, a, |i, j| a[(i, j)]))
}

/// The same of a symmetric matrix, one triangle of which is read.
pub(crate) fn lansy<T: Real>(
    letter: u8,
    uplo: u8,
    n: i64,
    a: Array<T>,
    lda: i64,
    _work: Array<T>,
) -> Outcome<T> {
    let (upper, n) = (upper(uplo, 2)?, extent(n, 3)?);
    let lda = leading(lda, n, 5)?;
    let a = a.matrix([n, n], lda);
    Ok(norm(letter, a, |i, j| if (i <= j) == upper { a[(i, j)] } else { a[(j, i)] }))
}

/// The infinity norm of a triangle, or its 1-norm.
pub(crate) fn triangular_norm<T: Real>(triangle: Triangle<'_, T>, infinity: bool) -> T {
    let element = |i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Equal if triangle.unit => T::ONE,
        std::cmp::Ordering::Equal => triangle.a[(i, i)],
        order if (order == std::cmp::Ordering::Less) == triangle.upper => triangle.a[(i, j)],
        _ => T::ZERO,
    };
    norm(if infinity { b'I' } else { b'1' }, triangle.a, element)
}

/// Copies a matrix, or one triangle of it.
pub(crate) fn lacpy<T: Real>(
    uplo: u8,
    m: i64,
    n: i64,
    a: Array<T>,
    lda: i64,
    mut b: Array<T>,
    ldb: i64,
) -> Outcome {
    let (m, n) = (extent(m, 2)?, extent(n, 3)?);
    let (lda, ldb) = (leading(lda, m, 5)?, leading(ldb, m, 7)?);
    let (a, mut b) = (a.matrix([m, n], lda), b.matrix_mut([m, n], ldb));
    match uplo {
        b'U' | b'L' => crate::arguments::copy_triangle(a, b, uplo == b'U'),
        _ => b.copy_from(a),
    }
    Ok(())
}
