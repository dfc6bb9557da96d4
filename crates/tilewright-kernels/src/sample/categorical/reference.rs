//! The truth: softmaxes and logarithms in f64. Only the integer hash, which defines the noise, is that of the paths it judges, written anew.

use crate::sample::sample::reference::hash;

/// The weights of a row, or `None` where it is refused.
pub(super) fn weights(x: &[f64], probabilities: bool) -> Option<Vec<f64>> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if x.iter().any(|x| x.is_nan()) || largest.is_infinite() {
        return None;
    }
    if probabilities {
        return (x.iter().all(|&x| x >= 0.0) && largest > 0.0).then(|| x.to_vec());
    }
    Some(x.iter().map(|x| (x - largest).exp()).collect())
}

pub(super) fn draw(weights: &[f64], seed: u64, position: u64) -> u32 {
    let first = |candidates: Vec<(usize, f64)>| {
        let time = |&(number, weight): &(usize, f64)| {
            let u = (f64::from(hash(seed, position, number as u32)) + 0.5) / 4294967296.0;
            -(-u).ln_1p() / weight
        };
        let possible = candidates.into_iter().filter(|(_, weight)| *weight > 0.0);
        possible.min_by(|a, b| time(a).total_cmp(&time(b))).expect("a weight above 0").0
    };
    let tiles = weights.chunks(1024).enumerate();
    let tile = first(tiles.map(|(tile, tokens)| (1 << 31 | tile, tokens.iter().sum())).collect());
    let start = (tile & 0x7fff_ffff) * 1024;
    let end = weights.len().min(start + 1024);
    first((start..end).map(|token| (token, weights[token])).collect()) as u32
}
