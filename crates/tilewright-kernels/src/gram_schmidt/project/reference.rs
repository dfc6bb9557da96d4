//! The truth.

use super::super::exact;

/// `sum_i q[i, j] v[i, l]` and the sum of the absolute terms, for `q [m, k]` and `v [m, p]`, as `[k, p]`.
pub(super) fn project(q: &[f64], v: &[f64], m: usize, k: usize, p: usize) -> Vec<(f64, f64)> {
    let mut c = Vec::with_capacity(k * p);
    for j in 0..k {
        for l in 0..p {
            c.push(exact::dot((0..m).map(|i| (q[i * k + j], v[i * p + l]))));
        }
    }
    c
}
