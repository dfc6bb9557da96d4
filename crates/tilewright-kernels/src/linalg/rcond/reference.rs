//! The truth: the inverse, and what a lower bound of its norm may be that a backward stable elimination leads to.

use super::super::det::eliminated;
use super::super::differences::inverse;
use super::super::ratios::Matrix;

/// In the 1-norm.
pub(super) struct Truth {
    /// `1 / (|a| |a⁻¹|)`
    pub(super) rcond: f64,
    /// How far from it that of the matrix may be which the factors are exact for.
    pub(super) error: f64,
    /// What the method comes to if its climb ends in each of the vectors that it may end in.
    pub(super) ends: Vec<f64>,
}

/// Of an elimination that is off by `eps` in each operation.
pub(super) fn rcond(a: &Matrix, eps: f64) -> Truth {
    let known = |rcond| Truth { rcond, error: 0.0, ends: Vec::new() };
    let (n, largest) = (a.n, a.largest());
    if n == 0 || !largest.is_finite() {
        return known(if n == 0 {
            1.0
        } else if largest.is_nan() {
            f64::NAN
        } else {
            0.0
        });
    }
    let a = a.scaled(1.0 / largest.max(f64::MIN_POSITIVE));
    let Some((l, u, _)) = eliminated(&a) else { return known(0.0) };
    let (norm, inverse) = (a.norm(), inverse(&a));
    // A solution with the factors is one of a + e, |e| <= 3 n eps |l| |u| (Higham, theorem 9.4), and so is the truth's own in f64. Its condition is off
    // by no more than |e| / |a|: 1 / |(a + e)⁻¹| is the distance to the next singular matrix.
    let sizes = |x: &Matrix| Matrix::new(n, n, |i, j| x.at(i, j).abs());
    let growth = sizes(&l).times(&sizes(&u)).norm() / norm;
    let error = 3.0 * n as f64 * (eps + f64::EPSILON / 2.0) * growth;
    // Every corner, whose solution is a column of the inverse; the center; and the vector with alternating signs, whose 1-norm is 3 n / 2.
    let column = |k: usize| Matrix::new(n, 1, |i, _| inverse.at(i, k));
    let center = Matrix::new(n, 1, |_, _| 1.0 / n as f64);
    let step = |i: usize| (1.0 + i as f64 / (n.max(2) - 1) as f64) / (1.5 * n as f64);
    let spread = Matrix::new(n, 1, |i, _| if i % 2 == 0 { step(i) } else { -step(i) });
    let solutions = (0..n).map(column).chain([inverse.times(&center), inverse.times(&spread)]);
    let ends = solutions.map(|x| 1.0 / (norm * x.norm()));
    Truth { rcond: 1.0 / (norm * inverse.norm()), error, ends: ends.collect() }
}
