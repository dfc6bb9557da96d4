//! The truth: each query's keys are listed, then read.

use crate::attention::truth::{Row, row};

/// Sizes of a problem, and which keys are seen.
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) s: usize,
    pub(super) t: usize,
    pub(super) d: usize,
    pub(super) dv: usize,
    pub(super) causal: bool,
    pub(super) window: usize,
    pub(super) keep: usize,
}

/// Query `i` of a head of the batch, `head` counting over both.
pub(super) fn query(
    [q, k, v]: [&[f64]; 3],
    sizes: &Sizes,
    head: usize,
    i: usize,
    scale: f64,
    cap: f64,
) -> Row {
    let &Sizes { heads, kv_heads, s, t, d, dv, causal, window, keep } = sizes;
    let kv_head = head / heads * kv_heads + head % heads / (heads / kv_heads);
    let place = t as i64 - s as i64 + i as i64;
    let sees =
        |j: i64| !causal || j <= place && (window == 0 || j > place - window as i64 || j < keep as i64);
    let seen: Vec<(&[f64], &[f64])> = (0..t)
        .filter(|&j| sees(j as i64))
        .map(|j| (&k[(kv_head * t + j) * d..][..d], &v[(kv_head * t + j) * dv..][..dv]))
        .collect();
    row(&q[(head * s + i) * d..][..d], &seen, dv, scale, cap)
}
