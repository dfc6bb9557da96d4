//! The truth: an element at a time.

/// The integer at `column` of a row of bytes.
pub(super) fn integer(row: &[u8], bits: usize, column: usize) -> i32 {
    match bits {
        8 => i32::from(row[column] as i8),
        _ => match i32::from(row[column / 2] >> (4 * (column % 2)) & 15) {
            half @ 8.. => half - 16,
            half => half,
        },
    }
}
