//! The truth: every distance of every part in f64.

/// The squared distance of a part from each word of `[words, part]`.
pub(super) fn distances(x: &[f64], words: &[f64]) -> Vec<f64> {
    words.chunks(x.len()).map(|word| x.iter().zip(word).map(|(x, w)| (x - w) * (x - w)).sum()).collect()
}

/// The lowest number of the least distance; 0 where there is none.
pub(super) fn nearest(distances: &[f64]) -> usize {
    let mut best = (f64::INFINITY, 0);
    for (word, &distance) in distances.iter().enumerate() {
        if distance < best.0 {
            best = (distance, word);
        }
    }
    best.1
}
