//! The truth.

use crate::norm::truth;

/// Value and magnitude of each element of dx, of dw, and, where there is a gate, of dgate.
pub(super) fn multi_head_layer_norm_bw(
    dy: &[f64],
    x: &[f64],
    weight: &[f64],
    gate: Option<&[f64]>,
    n: usize,
    eps: f64,
) -> Vec<Vec<(f64, f64)>> {
    let Some(gate) = gate else { return truth::backward(dy, x, weight, n, true, eps).into() };
    let [dx, dw] = truth::backward(&truth::opened(dy, gate), x, weight, n, true, eps);
    vec![dx, dw, truth::by_gate(dy, truth::forward(x, weight, n, true, eps), gate)]
}
