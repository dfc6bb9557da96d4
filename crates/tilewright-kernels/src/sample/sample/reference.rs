//! The truth: softmaxes, sorts and logarithms in f64. Only the integer hash, which defines the noise, is that of the paths it judges, written anew.

use crate::sample::{Sampling, Stage};

/// A row's draw.
pub(super) struct Draw {
    pub(super) id: u32,
    pub(super) raw: f64,
    pub(super) processed: f64,
    /// The likeliest tokens with their log-probabilities.
    pub(super) top: Vec<(u32, f64)>,
}

pub(in crate::sample) fn hash(seed: u64, position: u64, token: u32) -> u32 {
    let finish = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d049bb133111eb);
        x ^ (x >> 31)
    };
    let keys =
        finish(finish(seed.wrapping_add(0x9e3779b97f4a7c15)) ^ position.wrapping_add(0xd1b54a32d192ed03));
    let mut x = token ^ (keys & 0xffff_ffff) as u32;
    x = (x ^ (x >> 17)).wrapping_mul(0xed5ad4bb);
    x = (x ^ (x >> 11) ^ (keys >> 32) as u32).wrapping_mul(0xac4c1b51);
    x = (x ^ (x >> 15)).wrapping_mul(0x31848bab);
    x ^ (x >> 14)
}

/// Probabilities of the kept tokens at this temperature; 0 of the others.
fn softmax(z: &[f64], kept: &[bool], temperature: f64) -> Vec<f64> {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |(&z, &kept): (&f64, &bool)| if kept { ((z - largest) / temperature).exp() } else { 0.0 };
    let weights: Vec<f64> = z.iter().zip(kept).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Keeps the fewest tokens of the least score that have this part of the probability, and those of equal score.
fn keep_part(kept: &mut [bool], p: &[f64], score: &[f64], part: f64) {
    let mut order: Vec<usize> = (0..p.len()).filter(|&j| kept[j]).collect();
    order.sort_by(|&a, &b| score[a].total_cmp(&score[b]));
    let mut sum = 0.0;
    let last = order.iter().copied().find(|&j| {
        sum += p[j];
        sum >= part
    });
    if let Some(last) = last {
        (0..p.len()).for_each(|j| kept[j] &= score[j] <= score[last]);
    }
}

/// Which tokens the filters keep, of finite logits and minus infinity.
pub(in crate::sample) fn keep(z: &[f64], row: &Sampling, position: u64) -> Vec<bool> {
    let mut kept: Vec<bool> = z.iter().map(|&z| z > f64::NEG_INFINITY).collect();
    let count = kept.iter().filter(|&&kept| kept).count();
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut temperature = 1.0;
    for stage in row.order.stages() {
        let p = softmax(z, &kept, temperature);
        match stage {
            Stage::Temperature => temperature = f64::from(row.temperature),
            Stage::TopNSigma if row.top_n_sigma > 0.0 => {
                let finite = || z.iter().filter(|z| z.is_finite());
                let mean = finite().sum::<f64>() / count as f64;
                let variance = finite().map(|z| (z - mean).powi(2)).sum::<f64>() / count as f64;
                let bound = largest - f64::from(row.top_n_sigma) * variance.sqrt();
                (0..z.len()).for_each(|j| kept[j] &= z[j] >= bound);
            }
            Stage::TopK if row.top_k > 0 => {
                let mut values: Vec<f64> = (0..z.len()).filter(|&j| kept[j]).map(|j| z[j]).collect();
                values.sort_by(|a, b| b.total_cmp(a));
                if let Some(&last) = values.get(row.top_k as usize - 1) {
                    (0..z.len()).for_each(|j| kept[j] &= z[j] >= last);
                }
            }
            Stage::TypicalP if row.typical_p < 1.0 => {
                let entropy: f64 = p.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
                // Equal logits have equal distances, bit for bit.
                let distances: Vec<f64> = p.iter().map(|p| (-p.ln() - entropy).abs()).collect();
                keep_part(&mut kept, &p, &distances, f64::from(row.typical_p));
            }
            Stage::TopP if row.top_p < 1.0 => {
                let scores: Vec<f64> = z.iter().map(|z| -z).collect();
                keep_part(&mut kept, &p, &scores, f64::from(row.top_p));
            }
            Stage::MinP if row.min_p > 0.0 => {
                let bound = largest + f64::from(row.min_p).ln() * temperature;
                (0..z.len()).for_each(|j| kept[j] &= z[j] >= bound);
            }
            Stage::Xtc if row.xtc_probability > 0.0 => {
                let chance = f64::from(hash(row.seed, position, u32::MAX)) / 4294967296.0;
                let above = |j: &usize| kept[*j] && p[*j] >= f64::from(row.xtc_threshold);
                let least = (0..z.len()).filter(above).map(|j| z[j]).fold(f64::INFINITY, f64::min);
                if chance < f64::from(row.xtc_probability) {
                    (0..z.len()).for_each(|j| kept[j] &= z[j] <= least);
                }
            }
            _ => (),
        }
    }
    kept
}

/// Whether any stage of the row's order may remove a token.
fn is_filtered(row: &Sampling) -> bool {
    row.order.stages().any(|stage| match stage {
        Stage::Temperature => false,
        Stage::TopNSigma => row.top_n_sigma > 0.0,
        Stage::TopK => row.top_k > 0,
        Stage::TypicalP => row.typical_p < 1.0,
        Stage::TopP => row.top_p < 1.0,
        Stage::MinP => row.min_p > 0.0,
        Stage::Xtc => row.xtc_probability > 0.0,
    })
}

/// Draws one token.
pub(super) fn draw(z: &[f64], row: &Sampling, step: u64, top_n: usize) -> Draw {
    let nothing =
        z.iter().any(|z| z.is_nan() || *z == f64::INFINITY) || z.iter().all(|z| *z == f64::NEG_INFINITY);
    if nothing {
        let (id, raw, processed) = (u32::MAX, f64::NAN, f64::NAN);
        return Draw { id, raw, processed, top: vec![(u32::MAX, f64::NAN); top_n] };
    }
    let position = row.position.wrapping_add(step);
    let possible: Vec<bool> = z.iter().map(|&z| z > f64::NEG_INFINITY).collect();
    let all = softmax(z, &possible, 1.0);
    let mut likeliest: Vec<usize> = (0..z.len()).filter(|&j| possible[j]).collect();
    likeliest.sort_by(|&a, &b| z[b].partial_cmp(&z[a]).expect("finite"));
    let mut top: Vec<(u32, f64)> = likeliest.iter().take(top_n).map(|&j| (j as u32, all[j].ln())).collect();
    top.resize(top_n, (u32::MAX, f64::NEG_INFINITY));
    if row.temperature < 1e-5 {
        let id = likeliest[0];
        return Draw { id: id as u32, raw: all[id].ln(), processed: 0.0, top };
    }
    let kept = keep(z, row, position);
    let p = softmax(z, &kept, f64::from(row.temperature));
    let time = |number: usize, p: f64| {
        let u = (f64::from(hash(row.seed, position, number as u32)) + 0.5) / 4294967296.0;
        -(-u).ln_1p() / p
    };
    let first = |of: &mut dyn Iterator<Item = (usize, f64)>| {
        let winner = of.filter(|(_, p)| *p > 0.0).map(|(number, p)| (number, time(number, p)));
        winner.min_by(|a, b| a.1.total_cmp(&b.1)).expect("every filter keeps a token").0
    };
    let mut tokens = 0..z.len();
    if !is_filtered(row) {
        // Two heats: among tiles of 1024 tokens, then in the tile that won.
        let tiles = p.chunks(1024).enumerate().map(|(tile, p)| (1 << 31 | tile, p.iter().sum()));
        let tile = first(&mut tiles.collect::<Vec<_>>().into_iter()) & 0x7fff_ffff;
        tokens = 1024 * tile..z.len().min(1024 * (tile + 1));
    }
    let id = first(&mut tokens.map(|j| (j, p[j])));
    Draw { id: id as u32, raw: all[id].ln(), processed: p[id].ln(), top }
}
