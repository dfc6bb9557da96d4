//! The truth: where a number lies between the ends of a column's range, in steps.

/// The place of `x` in steps from the least number, cut to the range; `None` where that leaves only word 0.
pub(super) fn place(x: f64, least: f64, width: f64, most: f64) -> Option<f64> {
    if x.is_nan() || width == 0.0 {
        return None;
    }
    Some(((x - least) / width * most).clamp(0.0, most))
}

/// Word `j` of a code, bit by bit.
pub(in crate::search) fn word(bits: usize, code: &[u8], j: usize) -> u8 {
    let bit = |at: usize| code[at / 8] >> (at % 8) & 1;
    (0..bits).map(|i| bit(bits * j + i) << i).sum()
}
