//! The truth.

use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// The factors by Gram and Schmidt, twice over, with the signs of `signs` on the diagonal of r, and products with q beside them.
fn qr(a: &Matrix, signs: &Matrix) -> (Matrix, Matrix) {
    let (m, n) = (a.m, a.m.min(a.n));
    let mut q = Matrix::new(m, n, |i, j| a.at(i, j));
    let mut r = Matrix::new(n, n, |_, _| 0.0);
    for j in 0..n {
        for _ in 0..2 {
            for l in 0..j {
                let product: f64 = (0..m).map(|i| q.at(i, l) * q.at(i, j)).sum();
                (0..m).for_each(|i| q.values[i * n + j] -= product * q.at(i, l));
                r.values[l * n + j] += product;
            }
        }
        let length = (0..m).map(|i| q.at(i, j).powi(2)).sum::<f64>().sqrt() * signs.at(j, j).signum();
        (0..m).for_each(|i| q.values[i * n + j] /= length);
        r.values[j * n + j] = length;
    }
    let products = q.transposed().times(a);
    let whole = Matrix::new(n, a.n, |i, j| if j < n { r.at(i, j) } else { products.at(i, j) });
    (q, whole)
}

/// Of the matrix that has the factors.
pub(super) fn qr_bw(q: &Matrix, r: &Matrix, dq: &Matrix, dr: &Matrix) -> Truth {
    let loss = |a: &Matrix| {
        let (moved, triangle) = qr(a, r);
        weighed(&moved, dq) + weighed(&triangle, dr)
    };
    let far = size(&inverse(&Matrix::new(r.m, r.m, |i, j| r.at(i, j))));
    (gradient(&q.times(r), loss), (size(dq) + size(r) * size(dr)) * far * far * size(r))
}
