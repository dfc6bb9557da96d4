//! The truth: symmetry element by element, and the lowest eigenvalue.

use super::super::eigh::eigenvalues;
use super::super::ratios::Matrix;

/// Whether the matrix is symmetric and positive definite within a tolerance that is relative to its largest element.
pub(super) fn is_spd(a: &Matrix, rtol: f64) -> bool {
    let size = a.largest();
    if a.n > 0 && !(size > 0.0 && size.is_finite()) {
        return false;
    }
    let a = a.scaled(1.0 / size.max(f64::MIN_POSITIVE));
    let apart = |i: usize, j: usize| (a.at(i, j) - a.at(j, i)).abs();
    let symmetric = (0..a.n).all(|i| (0..i).all(|j| apart(i, j) <= rtol));
    let mean = Matrix::new(a.n, a.n, |i, j| (a.at(i, j) + a.at(j, i)) / 2.0);
    symmetric && eigenvalues(&mean).iter().all(|&value| value > rtol)
}
