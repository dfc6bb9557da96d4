//! The exponential function in a form that vectorises.

use std::ops::{Div, Mul};

use super::number::Accumulator;

/// A float with an exponential function.
pub(crate) trait Real: Accumulator + Mul<Output = Self> + Div<Output = Self> {
    /// Minus infinity.
    const LOWEST: Self;
    /// 1.
    const ONE: Self;
    /// Not a number.
    const NAN: Self;
    /// exp(x).
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The larger one; `self` where `other` is NaN, and where they are equal.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

impl Real for f32 {
    const LOWEST: f32 = f32::NEG_INFINITY;
    const ONE: f32 = 1.0;
    const NAN: f32 = f32::NAN;

    /// Within 2 unit roundoffs ([`tests`] measure it over all inputs); below -87.68, where the result would be
    /// subnormal, 0.
    ///
    /// exp(x) = 2^k exp(r) with k the integer nearest to x / ln 2, and exp(r) = 1 + r + r^2 q(r) on |r| <= ln(2)/2, where q is
    /// the polynomial of degree 4 whose largest relative error, 4.2e-9, is the least (by the Remez exchange).
    #[inline(always)]
    fn exp(self) -> f32 {
        const SHIFT: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold
        const LN2_HIGH: f32 = 0.693_359_4; // 10 bits: k * LN2_HIGH is exact
        const LN2_LOW: f32 = -2.121_944_4e-4;
        // NaN passes both comparisons and every step below.
        let x = if self > 89.0 { 89.0 } else { self };
        let x = if x < -88.0 { -88.0 } else { x };
        let shifted = x.mul_add(std::f32::consts::LOG2_E, SHIFT);
        let k = shifted - SHIFT;
        let r = k.mul_add(-LN2_LOW, k.mul_add(-LN2_HIGH, x));
        let q = r.mul_add(0.001_381_432, 0.008_368_851);
        let q = r.mul_add(q, 0.041_668_4);
        let q = r.mul_add(q, 0.166_665_2);
        let q = r.mul_add(q, 0.499_999_94);
        let power = (r * r).mul_add(q, r) + 1.0;
        // k = 128 gives the bits of infinity, k = -127 those of 0.
        power * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
    }

    fn ln(self) -> f32 {
        self.ln()
    }
}

impl Real for f64 {
    const LOWEST: f64 = f64::NEG_INFINITY;
    const ONE: f64 = 1.0;
    const NAN: f64 = f64::NAN;

    fn exp(self) -> f64 {
        self.exp()
    }

    fn ln(self) -> f64 {
        self.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn every_f32_up_to_88_is_within_two_unit_roundoffs() {
        // Every 97th float between -87.33 (the smallest normal result) and 88.37, beyond which 2^k is infinite: callers subtract
        // the largest element first, so theirs are not positive.
        let mut worst = 0.0f64;
        for sign in [0, 1 << 31] {
            for bits in (0..88.8f32.to_bits()).step_by(97) {
                let x = f32::from_bits(bits | sign);
                let truth = f64::from(x).exp();
                if x < 88.37 && truth >= f64::from(f32::MIN_POSITIVE) {
                    let error = (f64::from(Real::exp(x)) - truth).abs() / truth;
                    worst = worst.max(error / (f64::from(f32::EPSILON) / 2.0));
                }
            }
        }
        assert!(worst <= 2.0, "{worst} unit roundoffs");
        assert!(worst > 0.9, "{worst}: less than rounding the truth gives, so nothing was measured");
    }

    #[test]
    fn the_ends() {
        assert_eq!(Real::exp(0.0f32), 1.0);
        assert_eq!(Real::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Real::exp(-1e30f32), 0.0);
        assert_eq!(Real::exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(Real::exp(3e38f32), f32::INFINITY);
        assert!(Real::exp(f32::NAN).is_nan());
        assert!(Real::exp(-f32::NAN).is_nan());
    }
}
