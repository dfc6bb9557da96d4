//! The truth: elimination with partial pivoting in f64, and how far a backward stable one may be from it.

use super::super::ratios::Matrix;

/// `a[p] = l u`, and the sign of the permutation; nothing where a pivot is zero.
pub(in super::super) fn eliminated(a: &Matrix) -> Option<(Matrix, Matrix, f64)> {
    let n = a.n;
    let (mut u, mut l, mut sign) = (a.clone(), Matrix::identity(n), 1.0);
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| u.at(i, k).abs().total_cmp(&u.at(j, k).abs())).unwrap_or(k);
        if u.at(pivot, k) == 0.0 {
            return None;
        }
        if pivot != k {
            sign = -sign;
            (0..n).for_each(|j| u.values.swap(k * n + j, pivot * n + j));
            (0..k).for_each(|j| l.values.swap(k * n + j, pivot * n + j));
        }
        for i in k + 1..n {
            let factor = u.at(i, k) / u.at(k, k);
            l.values[i * n + k] = factor;
            (k..n).for_each(|j| u.values[i * n + j] -= factor * u.at(k, j));
            u.values[i * n + k] = 0.0;
        }
    }
    Some((l, u, sign))
}

/// Sign, logarithm of the absolute value, and the relative error of a determinant whose elimination is off by `eps` in each operation.
pub(in super::super) fn determinant(a: &Matrix, eps: f64) -> (f64, f64, f64) {
    let n = a.n;
    let Some((l, u, mut sign)) = eliminated(a) else { return (0.0, f64::NEG_INFINITY, 0.0) };
    for k in 0..n {
        sign *= u.at(k, k).signum();
    }
    let log = (0..n).map(|k| u.at(k, k).abs().ln()).sum();
    // det(a + e) = det(a) (1 + trace(a^-1 e) + ..), |e| <= n eps |l| |u| (Higham, theorem 9.3).
    let (mut inverse, mut trace) = (Matrix::identity(n), 0.0);
    for j in 0..n {
        for i in 0..n {
            let known: f64 = (0..i).map(|p| l.at(i, p) * inverse.at(p, j)).sum();
            inverse.values[i * n + j] -= known;
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|p| u.at(i, p) * inverse.at(p, j)).sum();
            inverse.values[i * n + j] = (inverse.at(i, j) - known) / u.at(i, i);
        }
        for i in 0..n {
            let size: f64 = (0..n).map(|p| l.at(j, p).abs() * u.at(p, i).abs()).sum();
            trace += inverse.at(i, j).abs() * size;
        }
    }
    // And a rounding for each factor of the product.
    (sign, log, eps * n as f64 * (trace + 2.0))
}
