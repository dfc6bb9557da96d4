//! The truth.

use crate::norm::truth;

/// Value and magnitude of each element of dx, and of dw.
pub(super) fn multi_head_layer_norm_bw(
    dy: &[f64],
    x: &[f64],
    weight: &[f64],
    n: usize,
    eps: f64,
) -> [Vec<(f64, f64)>; 2] {
    truth::backward(dy, x, weight, n, true, eps)
}
