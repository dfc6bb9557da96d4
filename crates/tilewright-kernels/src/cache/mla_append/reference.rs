//! The truth: a byte at a time.

/// Writes rows of both parts side by side into their slots. `rows`: bytes of each.
pub(super) fn append(parts: [&[u8]; 2], slots: &[i64], rows: [usize; 2], cache: &mut [u8]) {
    let width = rows[0] + rows[1];
    for (token, &slot) in slots.iter().enumerate() {
        for byte in (0..width).filter(|_| slot >= 0) {
            cache[slot as usize * width + byte] = match byte.checked_sub(rows[0]) {
                None => parts[0][token * rows[0] + byte],
                Some(byte) => parts[1][token * rows[1] + byte],
            };
        }
    }
}
