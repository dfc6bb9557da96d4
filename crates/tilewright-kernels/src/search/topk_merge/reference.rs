//! The truth: a stable sort of all candidates.

/// The candidates of all parts in order: distance, id.
pub(super) fn merged(parts: &[(Vec<f64>, Vec<i64>)]) -> Vec<(f64, i64)> {
    let mut all: Vec<(f64, i64)> = Vec::new();
    for (distances, ids) in parts {
        all.extend(distances.iter().copied().zip(ids.iter().copied()).filter(|&(_, id)| id >= 0));
    }
    all.sort_by(|a, b| {
        let numbers =
            a.0.is_nan().cmp(&b.0.is_nan()).then(a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal));
        numbers.then(a.1.cmp(&b.1))
    });
    all
}
