//! The truth.

use super::super::exact;

/// `v[i, l] - sum_j q[i, j] c[j, l]` and the sum of the absolute terms, for `q [m, k]`, `c [k, p]` and `v [m, p]`, as `[m, p]`.
pub(super) fn deflate(q: &[f64], c: &[f64], v: &[f64], m: usize, k: usize, p: usize) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(m * p);
    for i in 0..m {
        for l in 0..p {
            let products = (0..k).map(|j| (-q[i * k + j], c[j * p + l]));
            out.push(exact::dot(products.chain([(v[i * p + l], 1.0)])));
        }
    }
    out
}
