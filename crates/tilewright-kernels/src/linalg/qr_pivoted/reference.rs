//! The truth: what the permutation and r have to satisfy; the factors are judged as those of `qr`.

use super::super::ratios::{Matrix, largest, ratio};

/// The matrix with its columns in this order.
pub(super) fn permuted(a: &Matrix, permutation: &[i32]) -> Matrix {
    Matrix::new(a.m, a.n, |i, j| a.at(i, permutation[j] as usize))
}

/// By how much a column is longer, from row k on, than the k-th diagonal element says, over `n root(eps)` times that and `n eps |r|`.
pub(super) fn order_error(r: &Matrix, eps: f64) -> f64 {
    let scale = 1.0 / r.largest().max(f64::MIN_POSITIVE);
    let r = r.scaled(scale);
    let (n, all) = (r.n as f64, r.norm());
    let excess = |k: usize, j: usize| {
        let length = (k..r.m.min(j + 1)).map(|i| r.at(i, j).powi(2)).sum::<f64>().sqrt();
        let diagonal = r.at(k, k).abs();
        let more = if length <= diagonal { 0.0 } else { length - diagonal };
        ratio(more, diagonal * eps.sqrt() + all * eps, n)
    };
    let pairs = (0..r.m.min(r.n)).flat_map(|k| (k + 1..r.n).map(move |j| (k, j)));
    largest(pairs.map(|(k, j)| excess(k, j)))
}

/// What is left of r from row `rank` on, over `n eps |r|`.
pub(super) fn rank_error(r: &Matrix, rank: usize, eps: f64) -> f64 {
    let left = Matrix::new(r.m - rank.min(r.m), r.n, |i, j| r.at(rank + i, j));
    ratio(left.norm(), r.norm(), r.n as f64 * eps)
}
