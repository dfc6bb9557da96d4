//! The truth.

/// Value and magnitude of each element of the gradient, and the most terms that one has.
pub(super) fn embedding_bw(dy: &[f64], ids: &[i64], n: usize, d: usize) -> (Vec<(f64, f64)>, usize) {
    let mut by = vec![(0.0, 0.0); n * d];
    let mut terms = vec![0; n];
    for (place, &id) in ids.iter().enumerate() {
        terms[id as usize] += 1;
        for j in 0..d {
            let (value, magnitude) = &mut by[id as usize * d + j];
            *value += dy[place * d + j];
            *magnitude += dy[place * d + j].abs();
        }
    }
    (by, terms.into_iter().max().unwrap_or(0))
}
