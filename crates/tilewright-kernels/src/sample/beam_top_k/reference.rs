//! The truth: every continuation's score in f64, then a sort.

/// The best `k` (score, beam, token) of one batch entry: `logits [beams, v]`.
pub(super) fn entry(logits: &[f64], beam_scores: &[f64], k: usize) -> Vec<(f64, u32, u32)> {
    let v = logits.len() / beam_scores.len();
    let mut all = Vec::new();
    for (beam, (z, score)) in logits.chunks(v).zip(beam_scores).enumerate() {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = z.iter().map(|z| (z - largest).exp()).sum();
        all.extend(z.iter().enumerate().map(|(j, &z)| (score + z - largest - sum.ln(), z, beam, j)));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)).then(b.1.total_cmp(&a.1)).then(a.3.cmp(&b.3)));
    all.truncate(k);
    all.into_iter().map(|(score, _, beam, token)| (score, beam as u32, token as u32)).collect()
}
