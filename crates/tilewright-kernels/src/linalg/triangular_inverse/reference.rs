//! The truth: what an inverse has to satisfy.

use super::super::ratios::Matrix;

/// The triangle that is read.
pub(super) fn triangle(a: &Matrix, upper: bool, unit_diagonal: bool) -> Matrix {
    Matrix::new(a.n, a.n, |i, j| match (i == j, (i < j) == upper) {
        (true, _) if unit_diagonal => 1.0,
        (true, _) | (_, true) => a.at(i, j),
        _ => 0.0,
    })
}

/// Zeros beyond the diagonal.
pub(super) fn is_triangular(x: &Matrix, upper: bool) -> bool {
    (0..x.n).all(|i| (0..x.n).all(|j| i == j || (i < j) == upper || x.at(i, j) == 0.0))
}
