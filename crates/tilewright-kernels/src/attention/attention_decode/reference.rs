//! The truth: each sequence's keys and values are listed from its blocks, then read.

use crate::attention::truth::{Row, row};

/// Sizes of a problem, and which tokens are seen.
pub(super) struct Sizes {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) d: usize,
    pub(super) dv: usize,
    pub(super) block: usize,
    pub(super) window: usize,
    pub(super) keep: usize,
}

/// The query of `head` of a sequence whose blocks are `table`.
pub(super) fn query(
    q: &[f64],
    [k, v]: [&[f64]; 2],
    table: &[i32],
    length: usize,
    head: usize,
    sizes: &Sizes,
    [scale, cap]: [f64; 2],
) -> Row {
    let &Sizes { heads, kv_heads, d, dv, block, window, keep } = sizes;
    let kv_head = head / (heads / kv_heads);
    let sees = |j: usize| window == 0 || j + window >= length || j < keep;
    let seen: Vec<(&[f64], &[f64])> = (0..length)
        .filter(|&j| sees(j))
        .map(|j| {
            let at = (table[j / block] as usize * block + j % block) * kv_heads + kv_head;
            (&k[at * d..][..d], &v[at * dv..][..dv])
        })
        .collect();
    row(q, &seen, dv, scale, cap)
}
