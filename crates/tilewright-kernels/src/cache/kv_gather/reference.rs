//! The truth: a token's head at a time.

/// The bytes of the result. `dims`: block, heads, entries of a row of the table, tokens; `row`: bytes of a token's head.
pub(super) fn gather(
    cache: &[u8],
    table: &[i32],
    lengths: &[i32],
    [block, heads, entries, tokens]: [usize; 4],
    row: usize,
    heads_first: bool,
) -> Vec<u8> {
    let mut out = vec![0; lengths.len() * tokens * heads * row];
    for (sequence, &length) in lengths.iter().enumerate() {
        for token in 0..length as usize {
            let number = table[sequence * entries + token / block] as usize;
            for head in 0..heads {
                let from = ((number * block + token % block) * heads + head) * row;
                let place = if heads_first { head * tokens + token } else { token * heads + head };
                let to = (sequence * tokens * heads + place) * row;
                out[to..to + row].copy_from_slice(&cache[from..from + row]);
            }
        }
    }
    out
}
