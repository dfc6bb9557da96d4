//! The small floats to and from f32 by branch-free integer arithmetic, so that a loop over them becomes SIMD on any instruction set.
//!
//! Every conversion rounds once, to nearest, ties to even. NaN becomes the target's quiet NaN with the sign of the source.

use tilewright_core::{F8E4M3, F8E5M2, bf16, f16};

/// A float of at most 16 bits that any f32 can be rounded to.
pub(crate) trait SmallFloat: Copy {
    fn to_wide(self) -> f32;
    fn round_from(value: f32) -> Self;
}

const SIGN: u32 = 1 << 31;
const INFINITY: u32 = 0x7f80_0000;

/// The exponent and mantissa fields of the value with f32 bits `magnitude` (sign clear, no NaN), in a format with `MANTISSA` bits
/// and smallest normal number 2^MINIMUM. What is too large gives a field above the format's largest.
#[inline(always)]
fn round_field<const MANTISSA: u32, const MINIMUM: i32>(magnitude: u32) -> u32 {
    let drop = 23 - MANTISSA;
    let rebias = ((126 + MINIMUM) as u32) << MANTISSA;
    let rounded = (magnitude + ((1 << (drop - 1)) - 1) + ((magnitude >> drop) & 1)) >> drop;
    // The spacing of f32 around `anchor` is the format's smallest number: adding rounds to it.
    let anchor = ((127 + MINIMUM - MANTISSA as i32 + 23) as u32) << 23;
    let subnormal = (f32::from_bits(magnitude) + f32::from_bits(anchor)).to_bits().wrapping_sub(anchor);
    let smallest_normal = ((127 + MINIMUM) as u32) << 23;
    if magnitude < smallest_normal { subnormal } else { rounded.wrapping_sub(rebias) }
}

/// The f32 bits of a field, specials left out.
#[inline(always)]
fn widen_field<const MANTISSA: u32, const MINIMUM: i32>(field: u32) -> u32 {
    let normal = (field << (23 - MANTISSA)) + (((126 + MINIMUM) as u32) << 23);
    let spacing = f32::from_bits(((127 + MINIMUM - MANTISSA as i32) as u32) << 23);
    let subnormal = (field as i32 as f32 * spacing).to_bits();
    if field >> MANTISSA == 0 { subnormal } else { normal }
}

/// Defines the conversions of a format: `TOP` is the first field beyond the finite ones, infinity where the format has one.
macro_rules! small_float {
    ($format:ty, $bits:ty, mantissa $m:literal, minimum $minimum:literal, top $top:literal, nan $nan:literal) => {
        impl SmallFloat for $format {
            #[inline(always)]
            fn to_wide(self) -> f32 {
                const SHIFT: u32 = 32 - <$bits>::BITS;
                let bits = u32::from(self.to_bits());
                let field = bits & ((1 << (<$bits>::BITS - 1)) - 1);
                let special = if field > $top || $top == $nan { INFINITY | 0x40_0000 } else { INFINITY };
                let magnitude = if field >= $top { special } else { widen_field::<$m, $minimum>(field) };
                f32::from_bits(magnitude | ((bits << SHIFT) & SIGN))
            }

            #[inline(always)]
            fn round_from(value: f32) -> Self {
                const SHIFT: u32 = 32 - <$bits>::BITS;
                let magnitude = value.to_bits() & !SIGN;
                let field = round_field::<$m, $minimum>(magnitude).min($top);
                let field = if magnitude > INFINITY { $nan } else { field };
                <$format>::from_bits((field | ((value.to_bits() & SIGN) >> SHIFT)) as $bits)
            }
        }
    };
}

small_float!(f16, u16, mantissa 10, minimum -14, top 0x7c00, nan 0x7e00);
small_float!(F8E5M2, u8, mantissa 2, minimum -14, top 0x7c, nan 0x7e);
small_float!(F8E4M3, u8, mantissa 3, minimum -6, top 0x7f, nan 0x7f);

impl SmallFloat for bf16 {
    #[inline(always)]
    fn to_wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn round_from(value: f32) -> Self {
        let bits = value.to_bits();
        let magnitude = bits & !SIGN;
        let rounded = (magnitude.min(INFINITY) + 0x7fff + ((magnitude >> 16) & 1)) >> 16;
        let field = if magnitude > INFINITY { 0x7fc0 } else { rounded };
        bf16::from_bits((field | ((bits & SIGN) >> 16)) as u16)
    }
}

/// The same value with NaN's payload dropped: the quiet NaN with the sign of `value`.
#[inline(always)]
pub(crate) fn quiet_f32(value: f32) -> f32 {
    let bits = value.to_bits();
    f32::from_bits(if bits & !SIGN > INFINITY { (bits & SIGN) | INFINITY | 0x40_0000 } else { bits })
}

/// As [`quiet_f32`].
#[inline(always)]
pub(crate) fn quiet_f64(value: f64) -> f64 {
    const SIGN: u64 = 1 << 63;
    const INFINITY: u64 = 0x7ff << 52;
    let bits = value.to_bits();
    f64::from_bits(if bits & !SIGN > INFINITY { (bits & SIGN) | INFINITY | (1 << 51) } else { bits })
}

/// `value` in f32, rounded to odd: what is not exact gets the neighbour whose last bit is 1. Rounding that once more to at most 22 bits
/// is then the same as rounding `value` itself (Boldo and Melquiond 2008).
#[inline(always)]
pub(crate) fn f32_to_odd_from_f64(value: f64) -> f32 {
    let nearest = value as f32;
    let bits = nearest.to_bits();
    let toward = if f64::from(nearest).abs() < value.abs() { 1 } else { u32::MAX };
    let odd = if f64::from(nearest) != value && bits & 1 == 0 { bits.wrapping_add(toward) } else { bits };
    if value.is_nan() {
        f32::from_bits((((value.to_bits() >> 32) as u32) & SIGN) | INFINITY | 0x40_0000)
    } else {
        f32::from_bits(odd)
    }
}

/// A whole number in f32, rounded to odd.
#[inline(always)]
pub(crate) fn f32_to_odd_from_u64(value: u64) -> f32 {
    // At most 24 bits survive the shift; what is shifted out is kept as the last bit. Both the conversion and the scaling are exact.
    let shift = 40u32.saturating_sub(value.leading_zeros());
    let lost = value & ((1 << shift) - 1) != 0;
    let kept = (value >> shift) | u64::from(lost);
    kept as f32 * f32::from_bits((127 + shift) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_float_survives_the_round_trip() {
        fn check<T: SmallFloat>(
            all: impl Iterator<Item = T>,
            bits: impl Fn(T) -> u32,
            truth: impl Fn(T) -> f64,
        ) {
            for small in all {
                let wide = small.to_wide();
                assert!(
                    f64::from(wide) == truth(small) || (wide.is_nan() && truth(small).is_nan()),
                    "{wide}"
                );
                assert!(wide.is_nan() || bits(T::round_from(wide)) == bits(small), "{wide}");
            }
        }
        check((0..=u16::MAX).map(f16::from_bits), |x| x.to_bits().into(), f16::to_f64);
        check((0..=u16::MAX).map(bf16::from_bits), |x| x.to_bits().into(), bf16::to_f64);
        check((0..=u8::MAX).map(F8E4M3::from_bits), |x| x.to_bits().into(), F8E4M3::to_f64);
        check((0..=u8::MAX).map(F8E5M2::from_bits), |x| x.to_bits().into(), F8E5M2::to_f64);
    }

    #[test]
    fn rounding_agrees_with_independent_implementations() {
        // A stride coprime to 2^32 visits 40 million f32 of all kinds.
        for step in 0..40_000_000u32 {
            let x = f32::from_bits(step.wrapping_mul(2_654_435_761));
            if x.is_nan() {
                assert_eq!(f16::round_from(x).to_bits(), 0x7e00 | (x.to_bits() >> 16) as u16 & 0x8000);
                continue;
            }
            assert_eq!(f16::round_from(x), f16::from_f32_const(x), "{x:e}");
            assert_eq!(bf16::round_from(x), bf16::from_f32(x), "{x:e}");
            if step % 16 == 0 {
                assert_eq!(F8E4M3::round_from(x), F8E4M3::from_f64(x.into()), "{x:e}");
                assert_eq!(F8E5M2::round_from(x), F8E5M2::from_f64(x.into()), "{x:e}");
            }
        }
    }

    #[test]
    fn rounding_to_odd_keeps_ties_apart() {
        let tie = 1.0 + 1.0 / 256.0; // halfway between two bf16
        for (value, rounded) in
            [(tie, 1.0), (tie + 1e-15, 1.0078125), (tie - 1e-15, 1.0), (-tie - 1e-15, -1.0078125)]
        {
            assert_eq!(bf16::round_from(f32_to_odd_from_f64(value)).to_f64(), rounded, "{value}");
        }
        assert_eq!(f32_to_odd_from_f64(f64::MAX), f32::MAX);
        assert_eq!(f32_to_odd_from_f64(f64::INFINITY), f32::INFINITY);
        assert_eq!(f32_to_odd_from_f64(5e-324).to_bits(), 1);
        assert!(f32_to_odd_from_f64(-f64::NAN).is_sign_negative());
        assert_eq!(f32_to_odd_from_u64((1 << 40) + 1), ((1u64 << 40) + (1 << 17)) as f32);
        assert_eq!(f32_to_odd_from_u64(u64::MAX), 18_446_742_974_197_923_840.0);
        assert_eq!(f32_to_odd_from_u64(0), 0.0);
        assert_eq!(f32_to_odd_from_u64((1 << 24) - 1), 16_777_215.0);
    }
}
