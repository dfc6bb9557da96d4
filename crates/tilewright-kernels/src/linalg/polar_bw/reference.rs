//! The truth.

use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// The factors: of a matrix without more columns than rows h is the root of `aᵀ a` by Denman and Beavers' iteration; of another one u is the transpose's, turned.
fn polar(a: &Matrix) -> (Matrix, Matrix) {
    if a.m < a.n {
        let u = polar(&a.transposed()).0.transposed();
        let h = u.transposed().times(a);
        return (u, h);
    }
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
    // Of a wide matrix h is singular, but where its rows lead.
    let regular = if u.m < u.n { u.times(h).times(&u.transposed()) } else { h.clone() };
    let far = size(&inverse(&regular));
    (gradient(&u.times(h), loss), (size(du) + size(h) * size(dh)) * far * far * size(h))
}
