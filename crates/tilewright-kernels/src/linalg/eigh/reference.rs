//! The truth: what eigenvalues and eigenvectors have to satisfy, and the values themselves by Jacobi's own method.

use super::super::ratios::{Matrix, largest, ratio};

/// The symmetric matrix whose triangle is read.
pub(in super::super) fn symmetric(a: &Matrix, upper: bool) -> Matrix {
    Matrix::new(a.n, a.n, |i, j| if upper { a.at(i.min(j), i.max(j)) } else { a.at(i.max(j), i.min(j)) })
}

/// The eigenvalues of a symmetric matrix, ascending: row and column rotations, pair after pair, until nothing is left beside the diagonal.
pub(in super::super) fn eigenvalues(a: &Matrix) -> Vec<f64> {
    let n = a.n;
    let size = a.largest();
    let mut a = a.scaled(1.0 / size.max(f64::MIN_POSITIVE)).values;
    for _ in 0..60 {
        let beside: f64 = (0..n * n).filter(|e| e / n != e % n).map(|e| a[e].abs()).sum();
        if beside < 1e-18 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let cotangent = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = cotangent.signum() / (cotangent.abs() + cotangent.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = c * t;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i * n + i] * size).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// `|a - q l qᵀ| / (n |a| eps)`
pub(super) fn backward_error(a: &Matrix, values: &[f64], q: &Matrix, eps: f64) -> f64 {
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let a = a.scaled(scale);
    let scaled = Matrix::new(a.n, a.n, |i, j| q.at(i, j) * (values[j] * scale));
    ratio(a.minus(&scaled.times(&q.transposed())).norm(), a.norm(), a.n as f64 * eps)
}

/// `max |l - truth| / (n |a| eps)`, of values in the order of the truth, with the largest of the truth for |a|
pub(in super::super) fn value_error(values: &[f64], truth: &[f64], eps: f64) -> f64 {
    let error = largest(values.iter().zip(truth).map(|(x, y)| (x - y).abs()));
    ratio(error, largest(truth.iter().map(|x| x.abs())), truth.len() as f64 * eps)
}
