//! The truth: singular values, and an inverse by Gauss and Jordan.

use super::super::norm::matrix;
use super::super::ratios::Matrix;
use super::super::svd::singular_values;
use super::Order;

/// The condition number; infinite where a pivot is zero.
pub(super) fn cond(a: &Matrix, order: Order) -> f64 {
    if a.values.iter().any(|x| !x.is_finite()) {
        return f64::NAN;
    }
    if let Order::P(p) = order
        && p.abs() == 2.0
    {
        let s = singular_values(a);
        let ratio = s[s.len() - 1] / s[0].max(f64::MIN_POSITIVE);
        return if p > 0.0 { 1.0 / ratio } else { ratio };
    }
    inverse(a).map_or(f64::INFINITY, |inverse| matrix(a, order) * matrix(&inverse, order))
}

fn inverse(a: &Matrix) -> Option<Matrix> {
    let n = a.n;
    let mut rows: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            (0..2 * n).map(|j| if j < n { a.at(i, j) } else { f64::from(u8::from(j == i + n)) }).collect()
        })
        .collect();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs()))?;
        rows.swap(k, pivot);
        let head = rows[k].clone();
        if head[k] == 0.0 {
            return None;
        }
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[k] / head[k];
            for (x, &y) in row.iter_mut().zip(&head) {
                *x = if i == k { y / head[k] } else { *x - factor * y };
            }
        }
    }
    Some(Matrix::new(n, n, |i, j| rows[i][n + j]))
}
