//! The truth: Lloyd's iteration, mini-batches and k-means++ in f64.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Centroids, the sums of the absolute terms of each element, and the labels that made them.
pub(in crate::search) struct Clusters {
    pub(in crate::search) centroids: Vec<Vec<f64>>,
    pub(in crate::search) magnitudes: Vec<Vec<f64>>,
    pub(in crate::search) labels: Vec<i64>,
}

pub(in crate::search) fn lloyd(
    x: &[Vec<f64>],
    initial: &[Vec<f64>],
    iterations: usize,
    spherical: bool,
) -> Clusters {
    let mut centroids = initial.to_vec();
    let mut magnitudes = vec![vec![0.0; initial[0].len()]; initial.len()];
    if spherical {
        to_unit_length(&mut centroids, &mut magnitudes);
    }
    let mut labels = vec![0i64; x.len()];
    for _ in 0..iterations {
        let mut own = vec![0.0; x.len()];
        let rows = x.par_iter().zip(labels.par_iter_mut().zip(&mut own));
        rows.for_each(|(x, (label, own))| (*label, *own) = nearest(x, &centroids));
        let mut farthest: Vec<usize> = (0..x.len()).filter(|&row| own[row] > 0.0).collect();
        farthest.sort_by(|&a, &b| own[b].total_cmp(&own[a]).then(a.cmp(&b)));
        let mut farthest = farthest.into_iter();
        for c in 0..centroids.len() {
            let members: Vec<&Vec<f64>> =
                x.iter().zip(&labels).filter(|(_, label)| **label == c as i64).map(|(x, _)| x).collect();
            let count = members.len() as f64;
            for j in 0..centroids[c].len() {
                if !members.is_empty() {
                    centroids[c][j] = members.iter().map(|x| x[j]).sum::<f64>() / count;
                    magnitudes[c][j] = members.iter().map(|x| x[j].abs()).sum::<f64>() / count;
                }
            }
            if members.is_empty()
                && let Some(row) = farthest.next()
            {
                centroids[c].clone_from(&x[row]);
                magnitudes[c].fill(0.0);
            }
        }
        if spherical {
            to_unit_length(&mut centroids, &mut magnitudes);
        }
    }
    Clusters { centroids, magnitudes, labels }
}

/// The nearest centroid, the lowest one among equals, and its distance.
fn nearest(x: &[f64], centroids: &[Vec<f64>]) -> (i64, f64) {
    let distances: Vec<f64> = centroids.iter().map(|c| squared_distance(x, c)).collect();
    let nearest =
        (0..distances.len()).fold(0, |best, c| if distances[c] < distances[best] { c } else { best });
    (nearest as i64, distances[nearest])
}

fn squared_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Rows drawn one after another, each as likely as its squared distance from those before it.
pub(in crate::search) fn plus_plus(x: &[Vec<f64>], k: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut chosen = vec![x[random.random_range(0..x.len())].clone()];
    while chosen.len() < k {
        let weights: Vec<f64> = x.iter().map(|x| nearest(x, &chosen).1).collect();
        let mut left = random.random_range(0.0..weights.iter().sum::<f64>());
        let drawn = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        chosen.push(x[drawn.expect("a draw is below the sum of all weights")].clone());
    }
    chosen
}

/// Means of all rows that came to a centroid in any batch, and the labels of all rows by them. The error of an element is at most (batch + 2) roundings of its magnitude: each
/// batch's mean has as many of its own, by its share, and the blend has 5 of the old mean and the batch's.
pub(in crate::search) fn mini_batches(
    x: &[Vec<f64>],
    initial: &[Vec<f64>],
    iterations: usize,
    spherical: bool,
    (batch, seed): (usize, u64),
) -> Clusters {
    let mut centroids = initial.to_vec();
    let mut magnitudes = vec![vec![0.0; initial[0].len()]; initial.len()];
    if spherical {
        to_unit_length(&mut centroids, &mut magnitudes);
    }
    let mut seen = vec![0.0; initial.len()];
    for iteration in 0..iterations {
        // Different rows, each set of them as likely as any other (Floyd).
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1 + iteration as u64));
        let mut rows: Vec<usize> = Vec::new();
        for last in x.len() - batch..x.len() {
            let row = random.random_range(0..=last);
            rows.push(if rows.contains(&row) { last } else { row });
        }
        let labels: Vec<i64> = rows.iter().map(|&row| nearest(&x[row], &centroids).0).collect();
        for c in 0..centroids.len() {
            let own = rows.iter().zip(&labels).filter(|&(_, &label)| label == c as i64);
            let members: Vec<&Vec<f64>> = own.map(|(&row, _)| &x[row]).collect();
            let count = members.len() as f64;
            if members.is_empty() {
                continue;
            }
            seen[c] += count;
            let share = count / seen[c];
            for j in 0..centroids[c].len() {
                let mean = members.iter().map(|x| x[j]).sum::<f64>() / count;
                let size = members.iter().map(|x| x[j].abs()).sum::<f64>() / count;
                let old = centroids[c][j];
                centroids[c][j] = old + share * (mean - old);
                magnitudes[c][j] = (1.0 - share) * magnitudes[c][j]
                    + share * size
                    + 5.0 * (old.abs() + size) / (batch + 2) as f64;
            }
        }
        if spherical {
            to_unit_length(&mut centroids, &mut magnitudes);
        }
    }
    let labels = x.par_iter().map(|x| nearest(x, &centroids).0).collect();
    Clusters { centroids, magnitudes, labels }
}

/// An element's error after the division: its own, that of the length, which is at most the length of the elements' errors, and a rounding each.
fn to_unit_length(centroids: &mut [Vec<f64>], magnitudes: &mut [Vec<f64>]) {
    for (centroid, magnitudes) in centroids.iter_mut().zip(magnitudes) {
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (length, off) = (norm(centroid), norm(magnitudes));
        if length > 0.0 {
            centroid.iter_mut().for_each(|x| *x /= length);
            magnitudes.iter_mut().for_each(|magnitude| *magnitude = (*magnitude + off) / length + 1.0);
        }
    }
}
