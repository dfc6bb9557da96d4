//! The truth.

use super::super::differences::{Truth, gradient, inverse, size};
use super::super::ratios::Matrix;

/// The logarithm of the determinant's absolute value, by elimination with pivoting.
fn logarithm(a: &Matrix) -> f64 {
    let (n, mut rows, mut sum) = (a.n, a.clone(), 0.0);
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows.at(i, k).abs().total_cmp(&rows.at(j, k).abs()));
        let pivot = pivot.expect("a row is left");
        (0..n).for_each(|j| rows.values.swap(k * n + j, pivot * n + j));
        sum += rows.at(k, k).abs().ln();
        for i in k + 1..n {
            let factor = rows.at(i, k) / rows.at(k, k);
            (k..n).for_each(|j| rows.values[i * n + j] -= factor * rows.at(k, j));
        }
    }
    sum
}

/// The gradient by a.
pub(super) fn slogdet_bw(a: &Matrix, dlog: f64) -> Truth {
    let far = size(&inverse(a));
    (gradient(a, |a| dlog * logarithm(a)), far * far * size(a) * dlog.abs())
}
