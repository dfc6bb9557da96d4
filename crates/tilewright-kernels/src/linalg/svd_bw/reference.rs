//! The truth.

use super::super::differences::{Truth, gradient, next_pair, size};
use super::super::ratios::Matrix;

/// Of the matrix that has the factors.
pub(super) fn svd_bw(
    u: &Matrix,
    s: &Matrix,
    vt: &Matrix,
    ds: &Matrix,
    vectors: Option<(&Matrix, &Matrix)>,
) -> Truth {
    let (m, k, n) = (u.m, u.n, vt.n);
    let s = &s.values;
    let a = Matrix::new(m, n, |i, j| (0..k).map(|l| u.at(i, l) * s[l] * vt.at(l, j)).sum());
    let loss = |a: &Matrix| {
        // The singular values are eigenvalues of [0 a; aᵀ 0], its vectors u above v, of length 1 together.
        let both = Matrix::new(m + n, m + n, |i, j| match (i < m, j < m) {
            (true, false) => a.at(i, j - m),
            (false, true) => a.at(j, i - m),
            _ => 0.0,
        });
        let part = |l: usize| {
            let start = (0..m).map(|i| u.at(i, l)).chain((0..n).map(|j| vt.at(l, j)));
            let start: Vec<f64> = start.map(|x| x / 2f64.sqrt()).collect();
            let (value, vector) = next_pair(&both, s[l], &start);
            let along = |(du, dvt): (&Matrix, &Matrix)| {
                let left: f64 = (0..m).map(|i| du.at(i, l) * vector[i]).sum();
                let right: f64 = (0..n).map(|j| dvt.at(l, j) * vector[m + j]).sum();
                (left + right) * 2f64.sqrt()
            };
            ds.values[l] * value + vectors.map_or(0.0, along)
        };
        (0..k).map(part).sum()
    };
    let pairs = (0..k).flat_map(|i| (0..i).map(move |j| (i, j)));
    let gap = pairs.map(|(i, j)| (s[i] - s[j]).abs()).chain(s.iter().copied()).fold(1.0, f64::min);
    let far = s.iter().copied().fold(0.0, f64::max);
    let steep = vectors.map_or(0.0, |(du, dvt)| (size(du) + size(dvt)) / gap * (1.0 + far / gap));
    (gradient(&a, loss), size(ds) + steep)
}
