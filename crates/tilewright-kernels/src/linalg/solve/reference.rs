//! The truth: what the solution has to satisfy.

use super::super::ratios::Matrix;

/// `b - a x`
pub(super) fn residual(a: &Matrix, x: &Matrix, b: &Matrix) -> Matrix {
    b.minus(&a.times(x))
}

/// What a system is in the limit of an infinite element: its row says that the unknown is 0, and nothing else.
pub(in super::super) fn limit(a: &Matrix, b: &Matrix) -> (Matrix, Matrix) {
    let at = a.values.iter().position(|x| x.is_infinite()).expect("there is an infinity");
    let (row, column) = (at / a.n, at % a.n);
    let unknown = |j: usize| f64::from(u8::from(j == column));
    let left = Matrix::new(a.m, a.n, |i, j| if i == row { unknown(j) } else { a.at(i, j) });
    (left, Matrix::new(b.m, b.n, |i, j| if i == row { 0.0 } else { b.at(i, j) }))
}
