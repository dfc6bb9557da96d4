//! The truth: Penrose's four equations.

use super::super::ratios::{Matrix, largest, ratio};

/// The largest of `|a p a - a| / |a|`, `|p a p - p| / |p|`, `|a p - (a p)ᵀ|` and `|p a - (p a)ᵀ|`, over `max(m, n) |a| |p| eps`.
pub(super) fn penrose(a: &Matrix, p: &Matrix, eps: f64) -> f64 {
    let (ap, pa) = (a.times(p), p.times(a));
    let condition = a.norm() * p.norm();
    let unit = a.m.max(a.n) as f64 * eps;
    let relative = |error: Matrix, size: f64| ratio(error.norm(), size * condition.max(1.0), unit);
    largest(
        [
            relative(ap.times(a).minus(a), a.norm()),
            relative(pa.times(p).minus(p), p.norm()),
            relative(ap.minus(&ap.transposed()), 1.0),
            relative(pa.minus(&pa.transposed()), 1.0),
        ]
        .into_iter(),
    )
}
