//! The truth: what a basis has to satisfy.

use super::super::ratios::Matrix;

/// Whether each column that is not of zeros stands where it stood.
pub(super) fn keeps(q: &Matrix, out: &Matrix) -> bool {
    let is_zero = |j: usize| (0..q.m).all(|i| q.at(i, j) == 0.0);
    let same = |j: usize| (0..q.m).all(|i| q.at(i, j) == out.at(i, j));
    (0..q.n).all(|j| is_zero(j) || same(j))
}
