//! The truth: softmax of what is kept, in f64. What is kept is the sampler's own truth, which this kernel promises to follow.

/// Probabilities of a row with these logits.
pub(super) fn probabilities(z: &[f64], kept: &[bool], temperature: f64) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |(z, kept): (&f64, &bool)| if *kept { ((z - largest) / temperature).exp() } else { 0.0 };
    let weights: Vec<f64> = z.iter().zip(kept).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
