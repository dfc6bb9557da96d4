//! The truth: a stable sort of each row.

use std::cmp::Ordering;

/// The positions of the first `k` of each row.
pub(super) fn top_k(rows: &[Vec<f64>], k: usize, largest: bool) -> Vec<Vec<usize>> {
    rows.iter()
        .map(|row| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| match (row[a].is_nan(), row[b].is_nan()) {
                (false, false) if largest => row[b].partial_cmp(&row[a]).expect("numbers"),
                (false, false) => row[a].partial_cmp(&row[b]).expect("numbers"),
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
            });
            order.truncate(k);
            order
        })
        .collect()
}
