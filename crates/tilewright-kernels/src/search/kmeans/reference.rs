//! The truth: Lloyd's iteration in f64.

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
        rows.for_each(|(x, (label, own))| {
            let distance = |c: &[f64]| x.iter().zip(c).map(|(x, c)| (x - c) * (x - c)).sum::<f64>();
            let distances: Vec<f64> = centroids.iter().map(|c| distance(c)).collect();
            let nearest =
                (0..distances.len()).fold(0, |best, c| if distances[c] < distances[best] { c } else { best });
            (*label, *own) = (nearest as i64, distances[nearest]);
        });
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
