//! The truth: a token at a time.

/// Writes rows of `row` bytes into their slots.
pub(super) fn append(source: &[u8], slots: &[i64], row: usize, cache: &mut [u8]) {
    for (token, &slot) in slots.iter().enumerate() {
        if slot >= 0 {
            for byte in 0..row {
                cache[slot as usize * row + byte] = source[token * row + byte];
            }
        }
    }
}
