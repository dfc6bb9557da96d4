//! Draws, and centroids that lost their rows.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::Result;

/// Rows whose weights are summed together, by whatever device.
pub(super) const WEIGHED: usize = 256;

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

/// A row of `n`, each as likely as its weight. `sums` are those of [`WEIGHED`] weights each, which `weights` gives by the number of the sum.
pub(super) fn weighted(
    random: &mut ChaCha8Rng,
    n: usize,
    sums: &[f64],
    weights: impl FnOnce(usize) -> Result<Vec<f32>>,
) -> Result<usize> {
    let total: f64 = sums.iter().sum();
    if !(total > 0.0 && total.is_finite()) {
        // Every row lies on a centroid, or no distance is a number: any row is as good, and Lloyd's iteration shows what is wrong.
        return Ok(random.random_range(0..n));
    }
    let mut left = random.random_range(0.0..total);
    let chunk = sums.iter().position(|sum| {
        left -= sum;
        left < 0.0
    });
    let chunk = chunk.unwrap_or(sums.len() - 1);
    left += sums[chunk];
    let weights = weights(chunk)?;
    let inside = weights.iter().position(|&weight| {
        left -= f64::from(weight);
        left < 0.0
    });
    // Rounding may leave a little over: then the last row that has any weight.
    let last = weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
    Ok(chunk * WEIGHED + inside.unwrap_or(last))
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
