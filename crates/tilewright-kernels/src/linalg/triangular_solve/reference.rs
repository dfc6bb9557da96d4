//! The truth: what the solution of a triangular system has to satisfy.

use super::super::ratios::Matrix;
use super::TriangularSolve;

/// `op(a)` with what is not read replaced by what it stands for.
pub(super) fn operator(a: &Matrix, args: &TriangularSolve) -> Matrix {
    let read = Matrix::new(a.n, a.n, |i, j| {
        if i == j && args.unit_diagonal {
            1.0
        } else if i == j || (i < j) == args.upper {
            a.at(i, j)
        } else {
            0.0
        }
    });
    if args.transpose { read.transposed() } else { read }
}

/// `b - op(a) x`, or `b - x op(a)`.
pub(super) fn residual(operator: &Matrix, x: &Matrix, b: &Matrix, right: bool) -> Matrix {
    if right { b.minus(&x.times(operator)) } else { b.minus(&operator.times(x)) }
}

/// The first zero of the diagonal, counted from 1, or 0.
pub(super) fn info(operator: &Matrix) -> i32 {
    (0..operator.n).find(|&i| operator.at(i, i) == 0.0).map_or(0, |i| i as i32 + 1)
}
