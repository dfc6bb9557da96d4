//! The truth: signs and sums of one row.

/// The signs, the squared length, and the factor.
pub(super) fn encoded(x: &[f64]) -> (Vec<bool>, f64, f64) {
    let (mut squared, mut absolute) = (0.0, 0.0);
    for x in x {
        squared += x * x;
        absolute += x.abs();
    }
    let factor = if absolute == 0.0 { 0.0 } else { 2.0 * squared / absolute };
    (x.iter().map(|&x| x > 0.0).collect(), squared, factor)
}
