//! The truth: what codes stand for, number by number.

use crate::search::sq_encode::reference::word;

/// The vector that a code stands for. Each step rounds to f32 as the contract says: f64 holds a fused product of these exactly enough to round it once more, but for
/// ties that no case has.
pub(super) fn decoded(code: &[u8], bits: usize, ranges: &[f32], centroid: Option<&[f32]>) -> Vec<f64> {
    let d = ranges.len() / 2;
    let reciprocal = (1.0 / f64::from((1u32 << bits) - 1)) as f32;
    let of_element = |j: usize| {
        let step = ranges[d + j] * reciprocal;
        let first = (f64::from(step) * 0.5 + f64::from(ranges[j])) as f32;
        let x = (f64::from(word(bits, code, j)) * f64::from(step) + f64::from(first)) as f32;
        f64::from(centroid.map_or(x, |centroid| x + centroid[j]))
    };
    (0..d).map(of_element).collect()
}
