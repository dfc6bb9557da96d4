//! The truth: each value by itself.

/// `round(value 7 / 127)`.
pub(super) fn narrowed(value: i8) -> i8 {
    (f64::from(value) * 7.0 / 127.0).round() as i8
}

/// Rows of n values, two a byte, the even one in the low half.
pub(super) fn packed(values: &[i8], n: usize) -> Vec<u8> {
    let half = |value: i8| narrowed(value) as u8 & 15;
    let byte = |pair: &[i8]| half(pair[0]) | pair.get(1).map_or(0, |&value| half(value)) << 4;
    values.chunks(n.max(1)).flat_map(|row| row.chunks(2).map(byte)).collect()
}
