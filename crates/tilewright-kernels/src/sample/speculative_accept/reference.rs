//! The truth: ratios and logarithms in f64. Only the integer hash, which defines the noise, is that of the paths it judges, written anew.

use crate::sample::sample::reference::hash;

fn draw(weights: &[f64], seed: u64, position: u64) -> Option<i32> {
    let time = |j: usize| {
        let u = (f64::from(hash(seed, position, j as u32)) + 0.5) / 4294967296.0;
        -(-u).ln_1p() / weights[j]
    };
    let possible = (0..weights.len()).filter(|&j| weights[j] > 0.0 && weights[j].is_finite());
    possible.min_by(|&a, &b| time(a).total_cmp(&time(b))).map(|j| j as i32)
}

/// The tokens of a row, and how many of the draft's are among them. `q [k, v]`, `p [k + 1, v]`.
pub(super) fn row(draft: &[i32], q: &[f64], p: &[f64], seed: u64, position: u64) -> (Vec<i32>, i32) {
    // Luck of its own beside the draft's.
    let seed = seed ^ 0x5bd1e9957b7d159c;
    let v = p.len() / (draft.len() + 1);
    let mut tokens = Vec::new();
    for (i, &token) in draft.iter().enumerate() {
        if token < 0 {
            break;
        }
        let at = i * v + token as usize;
        let u = f64::from(hash(seed, position.wrapping_add(i as u64), u32::MAX) >> 8) / 16777216.0;
        if !(p[at] >= q[at] || u < p[at] / q[at]) {
            break;
        }
        tokens.push(token);
    }
    let i = tokens.len();
    let place = position.wrapping_add(i as u64);
    let target = &p[i * v..][..v];
    let rejected = draft.get(i).is_some_and(|&token| token >= 0);
    let rest: Vec<f64> = (0..v).map(|j| if rejected { target[j] - q[i * v + j] } else { 0.0 }).collect();
    let drawn = draw(&rest, seed, place).or_else(|| draw(target, seed, place)).unwrap_or(-1);
    tokens.push(drawn);
    tokens.resize(draft.len() + 1, -1);
    (tokens, i as i32)
}
