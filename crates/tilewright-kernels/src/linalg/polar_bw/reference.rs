//! The truth.

use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// The factors: h is the root of `aᵀ a` by Denman and Beavers' iteration.
fn polar(a: &Matrix) -> (Matrix, Matrix) {
    let mean = |x: &Matrix, y: &Matrix| Matrix::new(x.m, x.n, |i, j| (x.at(i, j) + y.at(i, j)) / 2.0);
    let (mut h, mut z) = (a.transposed().times(a), Matrix::identity(a.n));
    for _ in 0..20 {
        (h, z) = (mean(&h, &inverse(&z)), mean(&z, &inverse(&h)));
    }
    (a.times(&inverse(&h)), h)
}

/// Of the matrix that has the factors.
pub(super) fn polar_bw(u: &Matrix, h: &Matrix, du: &Matrix, dh: &Matrix) -> Truth {
    let loss = |a: &Matrix| {
        let (moved, positive) = polar(a);
        weighed(&moved, du) + weighed(&positive, dh)
    };
    let far = size(&inverse(h));
    (gradient(&u.times(h), loss), (size(du) + size(h) * size(dh)) * far * far * size(h))
}
