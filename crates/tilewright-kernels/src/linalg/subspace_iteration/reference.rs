//! The truth: what the equations of singular vectors leave, and the values themselves.

use super::super::ratios::{Matrix, largest};
use super::super::svd::singular_values;

/// The largest `|a v_i - s_i u_i|` and the largest `|aᵀ u_i - s_i v_i|`.
pub(super) fn residuals(a: &Matrix, u: &Matrix, s: &[f64], vt: &Matrix) -> [f64; 2] {
    let v = vt.transposed();
    let longest = |product: Matrix, other: &Matrix| {
        let scaled = Matrix::new(other.m, other.n, |i, j| other.at(i, j) * s[j]);
        let rest = product.minus(&scaled);
        let length = |j: usize| (0..rest.m).map(|i| rest.at(i, j).powi(2)).sum::<f64>().sqrt();
        largest((0..rest.n).map(length))
    };
    [longest(a.times(&v), u), longest(a.transposed().times(u), &v)]
}

/// The largest distance of a value from the singular value of its place, and the largest singular value.
pub(super) fn distance(a: &Matrix, s: &[f64]) -> [f64; 2] {
    let truth = singular_values(a);
    [largest(s.iter().zip(&truth).map(|(s, truth)| (s - truth).abs())), truth.first().copied().unwrap_or(0.0)]
}
