//! The truth: how far the product may be from the matrix.

use super::super::ratios::Matrix;
use super::super::svd::singular_values;
use super::RandomizedSvd;

/// What was found, and what is allowed, with so many units of `max(m, n) |a|` for roundings: of the distance of the product from the matrix in the 2-norm twice
/// the mean's bound; and of the excess of a value over the true one nothing else.
pub(super) fn bounds(
    a: &Matrix,
    u: &Matrix,
    s: &[f64],
    vt: &Matrix,
    args: &RandomizedSvd,
    unit: f64,
) -> [[f64; 2]; 2] {
    let us = Matrix::new(a.m, s.len(), |i, j| u.at(i, j) * s[j]);
    let far = singular_values(&a.minus(&us.times(vt))).first().copied().unwrap_or(0.0);
    let truth = singular_values(a);
    let (k, p, least) = (args.rank as f64, args.oversample.max(2) as f64, a.m.min(a.n) as f64);
    let c =
        1.0 + (k / (p - 1.0)).sqrt() + std::f64::consts::E * (k + p).sqrt() / p * (least - k).max(0.0).sqrt();
    let factor = 1.0 + c.powf(1.0 / (2.0 * args.power as f64 + 1.0));
    let next = truth.get(args.rank).copied().unwrap_or(0.0);
    let roundings = a.m.max(a.n) as f64 * unit * truth.first().copied().unwrap_or(0.0);
    let excess = s.iter().zip(&truth).map(|(s, truth)| s - truth).fold(0.0, f64::max);
    [[far, 2.0 * factor * next + roundings], [excess, roundings]]
}
