//! The truth: an element at a time.

use tilewright_core::{F8E4M3, F8E5M2};

use crate::pack::Format;

/// The integer at `column` of a row of bytes.
fn integer(row: &[u8], bits: usize, column: usize) -> i32 {
    match bits {
        8 => i32::from(row[column] as i8),
        _ => match i32::from(row[column / 2] >> (4 * (column % 2)) & 15) {
            half @ 8.. => half - 16,
            half => half,
        },
    }
}

/// The number at `column` of a row of bytes.
pub(crate) fn number(row: &[u8], format: Format, bits: usize, column: usize) -> f64 {
    match format {
        Format::Int => integer(row, bits, column).into(),
        Format::E4m3 => F8E4M3::from_bits(row[column]).to_f64(),
        Format::E5m2 => F8E5M2::from_bits(row[column]).to_f64(),
    }
}
