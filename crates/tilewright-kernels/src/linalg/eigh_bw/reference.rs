//! The truth.

use super::super::differences::{Truth, next_pair, size, symmetric_gradient};
use super::super::ratios::Matrix;

/// Of the matrix that has the values and the vectors; those are rows.
pub(super) fn eigh_bw(w: &Matrix, q: &Matrix, dw: &Matrix, dq: Option<&Matrix>) -> Truth {
    let n = q.n;
    let column = |j: usize| (0..n).map(|i| q.at(i, j)).collect::<Vec<f64>>();
    let a = Matrix::new(n, n, |i, j| {
        let term = |l: usize| w.values[l] * (q.at(i, l) * q.at(j, l) + q.at(j, l) * q.at(i, l)) / 2.0;
        (0..n).map(term).sum()
    });
    let loss = |a: &Matrix| {
        let part = |j: usize| {
            let (value, vector) = next_pair(a, w.values[j], &column(j));
            let along = |dq: &Matrix| (0..n).map(|i| dq.at(i, j) * vector[i]).sum::<f64>();
            dw.values[j] * value + dq.map_or(0.0, along)
        };
        (0..n).map(part).sum()
    };
    let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
    let gap = pairs.map(|(i, j)| (w.values[i] - w.values[j]).abs()).fold(1.0, f64::min);
    let steep = dq.map_or(0.0, size) / gap * (1.0 + w.largest() / gap);
    (symmetric_gradient(&a, loss), size(dw) + steep)
}
