//! The truth: softmaxes and logarithms in f64. Only the integer hash, which defines the noise, is that of the paths it judges, written anew.

fn hash(seed: u64, position: u64, number: u32) -> u32 {
    let finish = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d049bb133111eb);
        x ^ (x >> 31)
    };
    let keys =
        finish(finish(seed.wrapping_add(0x9e3779b97f4a7c15)) ^ position.wrapping_add(0xd1b54a32d192ed03));
    let mut x = number ^ (keys & 0xffff_ffff) as u32;
    x = (x ^ (x >> 17)).wrapping_mul(0xed5ad4bb);
    x = (x ^ (x >> 11) ^ (keys >> 32) as u32).wrapping_mul(0xac4c1b51);
    x = (x ^ (x >> 15)).wrapping_mul(0x31848bab);
    x ^ (x >> 14)
}

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
