//! The truth: Lloyd's iteration in f64, of each part by itself.

use crate::search::kmeans::reference::{Clusters, lloyd};

/// The clusters of each part of the rows, from the centroids in `initial` on.
pub(super) fn parts(x: &[Vec<f64>], initial: &[Vec<Vec<f64>>], iterations: usize) -> Vec<Clusters> {
    let mut clusters = Vec::new();
    for (j, initial) in initial.iter().enumerate() {
        let part = initial[0].len();
        let own: Vec<Vec<f64>> = x.iter().map(|x| x[j * part..(j + 1) * part].to_vec()).collect();
        clusters.push(lloyd(&own, initial, iterations, false));
    }
    clusters
}
