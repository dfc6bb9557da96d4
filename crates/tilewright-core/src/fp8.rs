//! The two 8-bit floats of the OCP specification (OFP8, revision 1.0), as storage formats.

use bytemuck::{Pod, Zeroable};

/// 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinities; largest 448; NaN is `S.1111.111`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E4M3(u8);

/// 1 sign, 5 exponent (bias 15), 2 mantissa bits; infinities and NaNs as IEEE 754; largest finite 57,344.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct F8E5M2(u8);

/// Rounds `magnitude` >= 0 to a multiple of the spacing that a format with `mantissa` bits and smallest normal exponent
/// `minimum` has around it, ties to even. Exact in f64: the quotient is a power-of-two scaling.
fn round_to_format(magnitude: f64, mantissa: i32, minimum: i32) -> f64 {
    let exponent = if magnitude == 0.0 { minimum } else { (magnitude.to_bits() >> 52) as i32 - 1023 };
    let spacing = 2f64.powi(exponent.max(minimum) - mantissa);
    (magnitude / spacing).round_ties_even() * spacing
}

/// The exponent and mantissa fields of a `magnitude` that the format holds exactly.
fn encode(magnitude: f64, mantissa: i32, minimum: i32) -> u8 {
    let exponent = if magnitude == 0.0 { minimum - 1 } else { (magnitude.to_bits() >> 52) as i32 - 1023 };
    if exponent < minimum {
        return (magnitude / 2f64.powi(minimum - mantissa)) as u8;
    }
    let fraction = (magnitude / 2f64.powi(exponent) - 1.0) * 2f64.powi(mantissa);
    (((exponent - minimum + 1) as u8) << mantissa) | fraction as u8
}

fn decode(field: u8, mantissa: i32, minimum: i32) -> f64 {
    let fraction = f64::from(field & ((1 << mantissa) - 1)) / 2f64.powi(mantissa);
    match i32::from(field >> mantissa) {
        0 => fraction * 2f64.powi(minimum),
        exponent => (1.0 + fraction) * 2f64.powi(exponent - 1 + minimum),
    }
}

impl F8E4M3 {
    /// From the byte that is stored.
    pub const fn from_bits(bits: u8) -> Self {
        F8E4M3(bits)
    }

    /// The byte that is stored.
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// The value, exactly.
    pub fn to_f64(self) -> f64 {
        let value = if self.0 & 0x7f == 0x7f { f64::NAN } else { decode(self.0 & 0x7f, 3, -6) };
        if self.0 & 0x80 != 0 { -value } else { value }
    }

    /// The nearest value, ties to even; what rounds beyond 448 becomes NaN, as the specification's non-saturating mode.
    pub fn from_f64(value: f64) -> Self {
        let sign = if value.is_sign_negative() { 0x80 } else { 0 };
        let rounded = round_to_format(value.abs(), 3, -6);
        F8E4M3(sign | if rounded <= 448.0 { encode(rounded, 3, -6) } else { 0x7f })
    }
}

impl F8E5M2 {
    /// From the byte that is stored.
    pub const fn from_bits(bits: u8) -> Self {
        F8E5M2(bits)
    }

    /// The byte that is stored.
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// The value, exactly.
    pub fn to_f64(self) -> f64 {
        let value = match self.0 & 0x7f {
            0x7c => f64::INFINITY,
            field if field > 0x7c => f64::NAN,
            field => decode(field, 2, -14),
        };
        if self.0 & 0x80 != 0 { -value } else { value }
    }

    /// The nearest value, ties to even; what rounds beyond 57,344 becomes infinite.
    pub fn from_f64(value: f64) -> Self {
        let sign = if value.is_sign_negative() { 0x80 } else { 0 };
        let rounded = round_to_format(value.abs(), 2, -14);
        let field = if value.is_nan() {
            0x7e
        } else if rounded <= 57344.0 {
            encode(rounded, 2, -14)
        } else {
            0x7c
        };
        F8E5M2(sign | field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_round_trip() {
        for bits in 0..=255u8 {
            let (a, b) = (F8E4M3(bits), F8E5M2(bits));
            assert!(a.to_f64().is_nan() || F8E4M3::from_f64(a.to_f64()) == a, "e4m3 {bits:#x}");
            assert!(b.to_f64().is_nan() || F8E5M2::from_f64(b.to_f64()) == b, "e5m2 {bits:#x}");
        }
    }

    #[test]
    fn rounding_is_to_nearest_even_with_the_documented_ends() {
        assert_eq!(F8E4M3(0x7e).to_f64(), 448.0);
        assert_eq!(F8E4M3(0x01).to_f64(), 2f64.powi(-9));
        assert_eq!(F8E4M3::from_f64(1.0625).to_f64(), 1.0); // tie: even mantissa
        assert_eq!(F8E4M3::from_f64(1.1875).to_f64(), 1.25);
        assert_eq!(F8E4M3::from_f64(464.0).to_f64(), 448.0); // tie with 480, which does not exist
        assert!(F8E4M3::from_f64(465.0).to_f64().is_nan());
        assert!(F8E4M3::from_f64(f64::INFINITY).to_f64().is_nan());
        assert_eq!(F8E5M2(0x7b).to_f64(), 57344.0);
        assert_eq!(F8E5M2::from_f64(1e9).to_f64(), f64::INFINITY);
        assert_eq!(F8E5M2::from_f64(-61440.0).to_f64(), f64::NEG_INFINITY);
        assert!(F8E5M2::from_f64(f64::NAN).to_f64().is_nan());
        assert_eq!(F8E5M2::from_f64(-0.0).to_bits(), 0x80);
    }
}
