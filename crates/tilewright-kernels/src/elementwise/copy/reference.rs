//! The truth, in whole numbers: every finite value of every dtype is `m 2^e`, and rounding is a division with remainder.

use tilewright_core::DType;

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `(-1)^negative m 2^e`, with m below 2^64.
    Finite {
        negative: bool,
        m: u128,
        e: i32,
    },
    Infinite {
        negative: bool,
    },
    Nan {
        negative: bool,
    },
}

/// A float of sign, `exponent` bits and `mantissa` bits.
struct Format {
    exponent: u32,
    mantissa: u32,
    /// Whether the largest exponent means infinity and NaN. f8e4m3 has no infinity, and NaN only with all bits set.
    infinity: bool,
}

impl Format {
    fn of(dtype: DType) -> Option<Self> {
        let (exponent, mantissa) = match dtype {
            DType::F64 => (11, 52),
            DType::F32 => (8, 23),
            DType::F16 => (5, 10),
            DType::Bf16 => (8, 7),
            DType::F8E5M2 => (5, 2),
            DType::F8E4M3 => (4, 3),
            _ => return None,
        };
        Some(Format { exponent, mantissa, infinity: dtype != DType::F8E4M3 })
    }

    /// Exponent of the smallest number.
    fn finest(&self) -> i32 {
        2 - (1 << (self.exponent - 1)) - self.mantissa as i32
    }

    /// The first field that is no finite number.
    fn beyond(&self) -> u64 {
        if self.infinity { ((1 << self.exponent) - 1) << self.mantissa } else { self.all_set() }
    }

    fn all_set(&self) -> u64 {
        (1 << (self.exponent + self.mantissa)) - 1
    }

    fn quiet_nan(&self) -> u64 {
        if self.infinity { self.beyond() | (1 << (self.mantissa - 1)) } else { self.all_set() }
    }

    fn decode(&self, bits: u64) -> Meaning {
        let negative = bits >> (self.exponent + self.mantissa) != 0;
        let field = bits & self.all_set();
        if field == self.beyond() && self.infinity {
            return Meaning::Infinite { negative };
        }
        if field >= self.beyond() {
            return Meaning::Nan { negative };
        }
        let (exponent, fraction) = (field >> self.mantissa, field & ((1 << self.mantissa) - 1));
        let (m, steps) = match exponent {
            0 => (fraction, 0),
            exponent => (fraction + (1 << self.mantissa), exponent as i32 - 1),
        };
        Meaning::Finite { negative, m: m.into(), e: self.finest() + steps }
    }

    fn encode(&self, meaning: Meaning) -> u64 {
        let (negative, field) = match meaning {
            Meaning::Nan { negative } => (negative, self.quiet_nan()),
            Meaning::Infinite { negative } => (negative, self.beyond()),
            Meaning::Finite { negative, m, e } => (negative, self.round(m, e)),
        };
        field | (u64::from(negative) << (self.exponent + self.mantissa))
    }

    fn round(&self, m: u128, e: i32) -> u64 {
        if m == 0 {
            return 0;
        }
        let leading = e + m.ilog2() as i32;
        // The exponent of the last place that the format keeps of a number of this size.
        let place = (leading - self.mantissa as i32).max(self.finest());
        let kept = match place - e {
            128.. => 0,
            drop @ 1.. => {
                let (quotient, remainder, half) = (m >> drop, m & ((1 << drop) - 1), 1 << (drop - 1));
                quotient + u128::from(remainder > half || (remainder == half && quotient % 2 == 1))
            }
            raise => m << -raise,
        };
        // The leading 1 of a normal number adds one to the exponent's field, and so does a carry of the rounding.
        let field = (((place - self.finest()) as u128) << self.mantissa) + kept;
        field.min(self.beyond().into()) as u64
    }
}

/// The smallest and the largest of an integer dtype.
fn integer_range(dtype: DType) -> (i128, i128) {
    let bits = 8 * dtype.size() as u32;
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        _ => (0, (1 << bits) - 1),
    }
}

/// What the lowest bytes of `bits` mean in `dtype`.
pub(super) fn decode(dtype: DType, bits: u64) -> Meaning {
    if let Some(format) = Format::of(dtype) {
        return format.decode(bits);
    }
    let width = 8 * dtype.size() as u32;
    let value = match integer_range(dtype) {
        _ if dtype == DType::Bool => i128::from(bits != 0),
        (0, _) => i128::from(bits),
        _ => i128::from(((bits << (64 - width)) as i64) >> (64 - width)),
    };
    Meaning::Finite { negative: value < 0, m: value.unsigned_abs(), e: 0 }
}

/// The bits of what `dtype` holds of `meaning`.
pub(super) fn encode(dtype: DType, meaning: Meaning) -> u64 {
    if let Some(format) = Format::of(dtype) {
        return format.encode(meaning);
    }
    if dtype == DType::Bool {
        return u64::from(!matches!(meaning, Meaning::Finite { m: 0, .. }));
    }
    let (smallest, largest) = integer_range(dtype);
    let value = match meaning {
        Meaning::Nan { .. } => 0,
        Meaning::Infinite { negative: true } => smallest,
        Meaning::Infinite { negative: false } => largest,
        Meaning::Finite { negative, m, e } => {
            // m < 2^64: shifted by 63 it stays below 2^127 and above any integer dtype; shifted down by 64 nothing is left.
            let magnitude = if e >= 0 { m << e.min(62) } else { m >> (-e).min(64) } as i128;
            if negative { -magnitude } else { magnitude }
        }
    };
    value.clamp(smallest, largest) as u64 & (u64::MAX >> (64 - 8 * dtype.size()))
}

/// The bits of `bits`, an element of `from`, in `to`.
pub(super) fn convert(from: DType, to: DType, bits: u64) -> u64 {
    if from == to { bits } else { encode(to, decode(from, bits)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_language_where_the_language_says_the_same() {
        for value in
            [0.0, -0.0, 1.5, -2.5, 1e-310, 5e-324, 1e300, 16_777_217.0, 3.402_823_6e38, f64::INFINITY, 0.1]
        {
            let bits = f64::to_bits(value);
            assert_eq!(convert(DType::F64, DType::F32, bits) as u32, (value as f32).to_bits(), "{value}");
            assert_eq!(convert(DType::F64, DType::I16, bits) as u16 as i16, value as i16, "{value}");
            assert_eq!(convert(DType::F64, DType::U64, bits), value as u64, "{value}");
            assert_eq!(
                decode(DType::F64, bits),
                decode(DType::F64, encode(DType::F64, decode(DType::F64, bits)))
            );
        }
        for value in [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, (1 << 24) + 1, -(1 << 60) - 3] {
            assert_eq!(convert(DType::I64, DType::F64, value as u64), (value as f64).to_bits(), "{value}");
            assert_eq!(
                convert(DType::I64, DType::F32, value as u64) as u32,
                (value as f32).to_bits(),
                "{value}"
            );
        }
        assert_eq!(convert(DType::I64, DType::U8, -5i64 as u64), 0);
        assert_eq!(convert(DType::I64, DType::I8, -5i64 as u64), 0xfb);
        assert_eq!(convert(DType::F32, DType::F8E4M3, 464f32.to_bits().into()), 0x7e);
        assert_eq!(convert(DType::F32, DType::F8E4M3, 465f32.to_bits().into()), 0x7f);
        assert_eq!(convert(DType::F32, DType::Bool, f32::NAN.to_bits().into()), 1);
    }
}
