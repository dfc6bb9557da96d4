//! exp and expm1 of numbers <= 0 in f32, branch-free, so that a loop over them becomes SIMD on any instruction set.

/// Below this, exp is smaller than the smallest normal f32 and counts as 0.
const UNDERFLOW: f32 = -87.33;

/// `(2^n, expm1(r))` with `x = n ln 2 + r` and `|r| <= ln 2 / 2`, for `UNDERFLOW <= x <= 0` or NaN.
///
/// expm1(r) is its Taylor polynomial to r^7: the first term left out is r^8/8! <= 5.2e-9 |expm1(r)| there, below a tenth of a unit roundoff.
#[inline(always)]
fn reduce(x: f32) -> (f32, f32) {
    // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low mantissa bits.
    const SHIFT: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    // ln 2 in two parts; the first has 10 mantissa bits, so that its product with n (at most 7 bits) is exact.
    let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let scale = f32::from_bits(shifted.to_bits().wrapping_sub(SHIFT.to_bits() - 127) << 23);
    let tail = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0));
    let series = r + r * r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * tail)));
    (scale, series)
}

/// e^x for x <= 0, within 4 unit roundoffs and 0 below -87.33; NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (scale, series) = reduce(if x < UNDERFLOW { UNDERFLOW } else { x });
    if x < UNDERFLOW { 0.0 } else { scale + scale * series }
}

/// e^x - 1 for x <= 0, within 6 unit roundoffs, also where x is small; NaN stays NaN.
#[inline(always)]
pub(super) fn exp_minus_1(x: f32) -> f32 {
    let (scale, series) = reduce(if x < UNDERFLOW { UNDERFLOW } else { x });
    (scale - 1.0) + scale * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_within_the_documented_roundings() {
        let unit = f64::from(f32::EPSILON) / 2.0;
        let (mut worst_exp, mut worst_minus_1) = (0f64, 0f64);
        for step in 0..2_000_000u32 {
            // Every 546th f32 of 1e-7 .. 87, by bits: all binades get their share.
            let x = -f32::from_bits(0x33d6_bf95 + step * 123);
            if x < UNDERFLOW {
                break;
            }
            let (truth, truth_minus_1) = (f64::from(x).exp(), f64::from(x).exp_m1());
            worst_exp = worst_exp.max((f64::from(exp(x)) / truth - 1.0).abs() / unit);
            worst_minus_1 = worst_minus_1.max((f64::from(exp_minus_1(x)) / truth_minus_1 - 1.0).abs() / unit);
        }
        assert!(worst_exp > 0.5 && worst_exp <= 4.0, "{worst_exp}");
        assert!(worst_minus_1 > 0.5 && worst_minus_1 <= 6.0, "{worst_minus_1}");
    }

    #[test]
    fn ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp_minus_1(f32::NEG_INFINITY), -1.0);
        assert_eq!(exp_minus_1(-0.0), 0.0);
        assert!(exp(f32::NAN).is_nan() && exp_minus_1(f32::NAN).is_nan());
    }
}
