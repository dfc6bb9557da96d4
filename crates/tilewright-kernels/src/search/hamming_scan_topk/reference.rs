//! The truth: bits counted byte by byte, every row sorted.

/// In how many bits two rows differ.
fn distance(q: &[u8], x: &[u8]) -> u32 {
    q.iter().zip(x).map(|(q, x)| (q ^ x).count_ones()).sum()
}

/// The first k of the rows that count, by (distance, id).
pub(super) fn nearest<'a>(
    k: usize,
    q: &[u8],
    rows: impl Iterator<Item = (i64, &'a [u8])>,
) -> Vec<(u32, i64)> {
    let mut all: Vec<(u32, i64)> = rows.map(|(id, x)| (distance(q, x), id)).collect();
    if k < all.len() {
        all.select_nth_unstable(k);
        all.truncate(k);
    }
    all.sort_unstable();
    all
}
