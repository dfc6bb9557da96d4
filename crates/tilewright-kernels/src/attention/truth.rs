//! The truth of the family: one query over the keys that it sees, in f64.

/// What one query reads, each number with the magnitude that its error is relative to.
pub(super) struct Row {
    pub(super) out: Vec<(f64, f64)>,
    pub(super) lse: (f64, f64),
}

/// `seen`: the keys and values that the query sees. A score errs in proportion to the sum of its absolute terms, and a weight by as much as
/// its score, so that the magnitude of a result grows with the largest such sum.
pub(super) fn row(q: &[f64], seen: &[(&[f64], &[f64])], dv: usize, scale: f64, cap: f64) -> Row {
    let dot = |k: &[f64]| -> f64 { q.iter().zip(k).map(|(q, k)| q * k).sum() };
    let size = |k: &[f64]| -> f64 { q.iter().zip(k).map(|(q, k)| (q * k).abs()).sum() };
    let capped = |score: f64| if cap > 0.0 { cap * (score / cap).tanh() } else { score };
    let scores: Vec<f64> = seen.iter().map(|(k, _)| capped(scale * dot(k))).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if seen.is_empty() {
        return Row { out: vec![(0.0, 0.0); dv], lse: (largest, 0.0) };
    }
    let growth = 1.0 + cap + seen.iter().map(|(k, _)| scale.abs() * size(k)).fold(0.0, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let mut out = vec![(0.0, 0.0); dv];
    for (weight, (_, v)) in weights.iter().zip(seen) {
        for ((value, magnitude), v) in out.iter_mut().zip(*v) {
            *value += weight / sum * v;
            *magnitude += weight / sum * v.abs() * growth;
        }
    }
    let lse = largest + sum.ln();
    Row { out, lse: (lse, lse.abs() + growth) }
}
