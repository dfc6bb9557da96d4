//! The truth: what the factors have to satisfy.

use super::super::ratios::{Matrix, ratio};

/// `|a[p] - l u| / (n |a| eps)`
pub(super) fn backward_error(a: &Matrix, lu: &Matrix, permutation: &[i32], eps: f64) -> f64 {
    let (m, n, k) = (a.m, a.n, a.m.min(a.n));
    // Divided by the largest element first: products of f64 near the ends of the range stay within it.
    let scale = 1.0 / a.largest().max(f64::MIN_POSITIVE);
    let a = Matrix::new(m, n, |i, j| a.at(permutation[i] as usize, j) * scale);
    let l = Matrix::new(m, k, |i, j| {
        if i == j {
            1.0
        } else if i > j {
            lu.at(i, j)
        } else {
            0.0
        }
    });
    let u = Matrix::new(k, n, |i, j| if i <= j { lu.at(i, j) * scale } else { 0.0 });
    ratio(a.minus(&l.times(&u)).norm(), a.norm(), n as f64 * eps)
}

/// The same of the elements that no NaN or infinity reaches.
pub(super) fn finite_error(a: &Matrix, lu: &Matrix, permutation: &[i32], eps: f64) -> f64 {
    let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
    let a = Matrix::new(a.m, a.n, |i, j| a.at(permutation[i] as usize, j));
    let error = Matrix::new(a.m, a.n, |i, j| {
        let l = |k: usize| if k == i { 1.0 } else { lu.at(i, k) };
        finite(a.at(i, j) - (0..=i.min(j)).map(|k| l(k) * lu.at(k, j)).sum::<f64>())
    });
    let size = Matrix::new(a.m, a.n, |i, j| finite(a.at(i, j))).norm();
    ratio(error.norm(), size, a.n as f64 * eps)
}

/// Whether a NaN or an infinity spread as far as elimination in this order of the rows takes it, and no farther.
pub(super) fn is_spread(a: &Matrix, lu: &Matrix, permutation: &[i32]) -> bool {
    let (m, n) = (a.m, a.n);
    let mut truth = Matrix::new(m, n, |i, j| a.at(permutation[i] as usize, j));
    for k in 0..m.min(n) {
        for i in k + 1..m {
            let factor = truth.at(i, k) / truth.at(k, k);
            truth.values[i * n + k] = factor;
            (k + 1..n).for_each(|j| truth.values[i * n + j] -= factor * truth.at(k, j));
        }
    }
    lu.values.iter().zip(&truth.values).all(|(x, truth)| x.is_finite() == truth.is_finite())
}

/// The largest multiplier: 1 at most, where the pivots were the largest.
pub(super) fn largest_multiplier(lu: &Matrix) -> f64 {
    super::super::ratios::largest((0..lu.m).flat_map(|i| (0..lu.n.min(i)).map(move |j| lu.at(i, j).abs())))
}

/// Whether every row occurs once.
pub(in super::super) fn is_permutation(permutation: &[i32]) -> bool {
    let mut sorted = permutation.to_vec();
    sorted.sort_unstable();
    sorted.iter().enumerate().all(|(i, &row)| row == i as i32)
}

/// The first zero of u's diagonal, counted from 1, or 0.
pub(super) fn info(lu: &Matrix) -> i32 {
    (0..lu.m.min(lu.n)).find(|&k| lu.at(k, k) == 0.0).map_or(0, |k| k as i32 + 1)
}
