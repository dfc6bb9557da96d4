//! The truth.

use super::super::differences::{Truth, inverse, size, symmetric_gradient, weighed};
use super::super::ratios::Matrix;

/// The lower factor, column after column.
fn cholesky(a: &Matrix) -> Matrix {
    let n = a.n;
    let mut l = Matrix::new(n, n, |_, _| 0.0);
    for j in 0..n {
        let rest = |l: &Matrix, i: usize| a.at(i, j) - (0..j).map(|k| l.at(i, k) * l.at(j, k)).sum::<f64>();
        let diagonal = rest(&l, j).sqrt();
        for i in j..n {
            l.values[i * n + j] = if i == j { diagonal } else { rest(&l, i) / diagonal };
        }
    }
    l
}

/// Of the matrix that has the lower factor `l`.
pub(super) fn cholesky_bw(l: &Matrix, dl: &Matrix) -> Truth {
    let da = symmetric_gradient(&l.times(&l.transposed()), |a| weighed(&cholesky(a), dl));
    let inverse = size(&inverse(l));
    (da, inverse.powi(3) * size(l).powi(2) * size(dl))
}
