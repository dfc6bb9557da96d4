//! The truth: what least squares have to satisfy.

use super::super::ratios::{Matrix, ratio};

/// `|aᵀ (b - a x)| / (max(m, n) |a| (|a| |x| + |b|) eps)`, the norms those of 1 but the first that of aᵀ
pub(super) fn gradient(a: &Matrix, x: &Matrix, b: &Matrix, eps: f64) -> f64 {
    let rest = b.minus(&a.times(x));
    let size = a.transposed().norm() * (a.norm() * x.norm() + b.norm()) * a.m.max(a.n) as f64;
    ratio(a.transposed().times(&rest).norm(), size, eps)
}

/// How much of x is not in the space of a's rows, where the shortest solution lies; over `n |x| eps`.
pub(super) fn beside_rows(x: &Matrix, row_basis: &Matrix, eps: f64) -> f64 {
    let inside = row_basis.transposed().times(&row_basis.times(x));
    ratio(x.minus(&inside).norm(), x.norm(), x.m as f64 * eps)
}

/// An orthonormal basis, as rows, of the space that `rank` steps of elimination with complete pivoting find in the rows of a.
pub(super) fn row_basis(a: &Matrix, rank: usize) -> Matrix {
    let (mut rest, n) = (a.values.clone(), a.n);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for _ in 0..rank {
        let length = |i: usize, rest: &[f64]| rest[i * n..(i + 1) * n].iter().map(|x| x * x).sum::<f64>();
        let longest = (0..a.m).max_by(|&i, &j| length(i, &rest).total_cmp(&length(j, &rest))).unwrap_or(0);
        let mut row = rest[longest * n..(longest + 1) * n].to_vec();
        // Twice, as what is left may be short.
        for _ in 0..2 {
            for other in &basis {
                let product: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                row.iter_mut().zip(other).for_each(|(x, y)| *x -= product * y);
            }
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            row.iter_mut().for_each(|x| *x /= norm);
        }
        for i in 0..a.m {
            let product: f64 = (0..n).map(|j| rest[i * n + j] * row[j]).sum();
            (0..n).for_each(|j| rest[i * n + j] -= product * row[j]);
        }
        basis.push(row);
    }
    Matrix::new(rank, n, |i, j| basis[i][j])
}

/// `max |residual - |left|²| / (m |b|² eps)` over the columns of what is left
pub(super) fn squares_error(left: &Matrix, b: &Matrix, residuals: &[f64], eps: f64) -> f64 {
    let square = |a: &Matrix, j: usize| (0..a.m).map(|i| a.at(i, j).powi(2)).sum::<f64>();
    let error = |j: usize| (residuals[j] - square(left, j)).abs() / square(b, j) / (left.m as f64 * eps);
    super::super::ratios::largest((0..b.n).map(error))
}

/// `||s|² - |a|²| / (k |a|² eps)`, in Frobenius' norm
pub(super) fn frobenius_error(a: &Matrix, s: &[f64], eps: f64) -> f64 {
    let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
    ratio((square(s) - square(&a.values)).abs(), square(&a.values), s.len() as f64 * eps)
}
