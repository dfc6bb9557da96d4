//! Draws, and centroids that lost their rows.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `k` different numbers below `n`, each set of them as likely as any other (Floyd's way), in the order of the draws.
pub(super) fn draw(n: usize, k: usize, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut drawn, mut order) = (HashSet::new(), Vec::with_capacity(k));
    for last in n - k..n {
        let number = random.random_range(0..=last);
        let number = if drawn.insert(number) { number } else { last };
        drawn.insert(number);
        order.push(number as u32);
    }
    order
}

/// For each centroid the row at which it starts anew, where it has no rows; -1 elsewhere. `distances` are the rows' from their own centroids.
pub(super) fn restarts(counts: &[u32], distances: &[f32]) -> Vec<i64> {
    let empty: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] == 0).collect();
    let mut rows: Vec<u32> =
        (0..distances.len() as u32).filter(|&row| distances[row as usize] > 0.0).collect();
    let farther =
        |&a: &u32, &b: &u32| distances[b as usize].total_cmp(&distances[a as usize]).then(a.cmp(&b));
    if rows.len() > empty.len() {
        rows.select_nth_unstable_by(empty.len(), farther);
        rows.truncate(empty.len());
    }
    rows.sort_unstable_by(farther);
    let mut restarts = vec![-1; counts.len()];
    for (c, row) in empty.into_iter().zip(rows) {
        restarts[c] = i64::from(row);
    }
    restarts
}
