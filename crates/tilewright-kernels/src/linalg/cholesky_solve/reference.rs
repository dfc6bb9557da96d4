//! The truth: what x has to satisfy.

use super::super::ratios::Matrix;

/// `l lᵀ`, or `uᵀ u`, of the triangle that is read.
pub(super) fn product(factor: &Matrix, upper: bool) -> Matrix {
    let read = |i: usize, j: usize| i == j || (i < j) == upper;
    let triangle = Matrix::new(factor.n, factor.n, |i, j| if read(i, j) { factor.at(i, j) } else { 0.0 });
    if upper { triangle.transposed().times(&triangle) } else { triangle.times(&triangle.transposed()) }
}
