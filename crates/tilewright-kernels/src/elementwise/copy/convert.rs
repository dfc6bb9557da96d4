//! Conversion of contiguous elements on the host, in blocks that stay in the L1 cache: source -> carrier -> target.
//!
//! A carrier is a type that holds every value of a format: f32, f64, i64 or u64. So 13 loops decode and 4 x 15 loops encode
//! instead of 15 x 14, and each pair is still rounded only once.

use bytemuck::{Pod, cast_slice, cast_slice_mut};
use pulp::Arch;
use tilewright_core::{Boolean, DType, Element, F8E4M3, F8E5M2, bf16, f16, with_element};

use crate::formats::{SmallFloat, f32_to_odd_from_f64, f32_to_odd_from_u64, quiet_f32, quiet_f64};

/// Elements per block: 8 KiB of the widest carrier.
const BLOCK: usize = 1024;

/// Converts elements of `from` to as many elements of `to`, which is another dtype.
pub(super) fn convert(from: DType, source: &[u8], to: DType, target: &mut [u8]) {
    match from {
        DType::F64 => through::<f64>(from, source, to, target),
        // f64 holds them as well, and its conversions to floats are SIMD everywhere.
        DType::I32 | DType::U32 if to.is_float() => through::<f64>(from, source, to, target),
        DType::I64 | DType::I32 | DType::U32 => through::<i64>(from, source, to, target),
        DType::U64 => through::<u64>(from, source, to, target),
        _ => through::<f32>(from, source, to, target),
    }
}

fn through<C: Carrier>(from: DType, source: &[u8], to: DType, target: &mut [u8]) {
    let mut block = [C::zeroed(); BLOCK];
    let sources = source.chunks(BLOCK * from.size());
    for (source, target) in sources.zip(target.chunks_mut(BLOCK * to.size())) {
        let carried = if from == C::DTYPE {
            cast_slice(source)
        } else {
            let block = &mut block[..source.len() / from.size()];
            C::decode(from, source, block);
            &*block
        };
        C::encode(carried, to, target);
    }
}

fn each<S: Pod, T: Pod>(source: &[S], target: &mut [T], one: impl Fn(S) -> T) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (target, &source) in target.iter_mut().zip(source) {
                *target = one(source);
            }
        },
    );
}

/// A type that holds every value of the formats that it carries.
trait Carrier: Element {
    /// Widens elements of `from`, which this type carries.
    fn decode(from: DType, source: &[u8], block: &mut [Self]);
    /// Rounds to elements of `to`.
    fn encode(block: &[Self], to: DType, target: &mut [u8]);
}

impl Carrier for f32 {
    fn decode(from: DType, source: &[u8], block: &mut [f32]) {
        match from {
            DType::F16 => each::<f16, _>(cast_slice(source), block, SmallFloat::to_wide),
            DType::Bf16 => each::<bf16, _>(cast_slice(source), block, SmallFloat::to_wide),
            DType::F8E4M3 => each::<F8E4M3, _>(cast_slice(source), block, SmallFloat::to_wide),
            DType::F8E5M2 => each::<F8E5M2, _>(cast_slice(source), block, SmallFloat::to_wide),
            DType::I8 => each::<i8, _>(cast_slice(source), block, f32::from),
            DType::I16 => each::<i16, _>(cast_slice(source), block, f32::from),
            DType::U8 => each::<u8, _>(cast_slice(source), block, f32::from),
            DType::U16 => each::<u16, _>(cast_slice(source), block, f32::from),
            DType::Bool => each::<u8, _>(source, block, |x| f32::from(u8::from(x != 0))),
            other => unreachable!("f32 does not carry {other}"),
        }
    }
    fn encode(block: &[f32], to: DType, target: &mut [u8]) {
        with_element!(to, T => each(block, cast_slice_mut::<u8, T>(target), T::round_f32))
    }
}

impl Carrier for f64 {
    fn decode(from: DType, source: &[u8], block: &mut [f64]) {
        match from {
            DType::I32 => each::<i32, _>(cast_slice(source), block, f64::from),
            DType::U32 => each::<u32, _>(cast_slice(source), block, f64::from),
            other => unreachable!("f64 does not carry {other}"),
        }
    }
    fn encode(block: &[f64], to: DType, target: &mut [u8]) {
        with_element!(to, T => each(block, cast_slice_mut::<u8, T>(target), T::round_f64))
    }
}

impl Carrier for i64 {
    fn decode(from: DType, source: &[u8], block: &mut [i64]) {
        match from {
            DType::I32 => each::<i32, _>(cast_slice(source), block, i64::from),
            DType::U32 => each::<u32, _>(cast_slice(source), block, i64::from),
            other => unreachable!("i64 does not carry {other}"),
        }
    }
    fn encode(block: &[i64], to: DType, target: &mut [u8]) {
        with_element!(to, T => each(block, cast_slice_mut::<u8, T>(target), T::round_i64))
    }
}

impl Carrier for u64 {
    fn decode(from: DType, _source: &[u8], _block: &mut [u64]) {
        unreachable!("u64 does not carry {from}")
    }
    fn encode(block: &[u64], to: DType, target: &mut [u8]) {
        with_element!(to, T => each(block, cast_slice_mut::<u8, T>(target), T::round_u64))
    }
}

/// Each carrier's value in this format, rounded once.
trait Target: Sized {
    fn round_f32(value: f32) -> Self;
    fn round_f64(value: f64) -> Self;
    fn round_i64(value: i64) -> Self;
    fn round_u64(value: u64) -> Self;
}

macro_rules! wide_float_target {
    ($($float:ty, $from_f32:expr, $from_f64:expr);*) => {$(
        impl Target for $float {
            #[inline(always)]
            fn round_f32(value: f32) -> Self { $from_f32(value) }
            #[inline(always)]
            fn round_f64(value: f64) -> Self { $from_f64(value) }
            #[inline(always)]
            fn round_i64(value: i64) -> Self { value as $float }
            #[inline(always)]
            fn round_u64(value: u64) -> Self { value as $float }
        }
    )*};
}

wide_float_target!(f32, quiet_f32, |value: f64| quiet_f32(value as f32);
    f64, |value: f32| quiet_f64(f64::from(value)), quiet_f64);

macro_rules! small_float_target {
    ($($float:ty),*) => {$(
        impl Target for $float {
            #[inline(always)]
            fn round_f32(value: f32) -> Self { Self::round_from(value) }
            #[inline(always)]
            fn round_f64(value: f64) -> Self { Self::round_from(f32_to_odd_from_f64(value)) }
            #[inline(always)]
            fn round_i64(value: i64) -> Self {
                let magnitude = f32_to_odd_from_u64(value.unsigned_abs());
                Self::round_from(if value < 0 { -magnitude } else { magnitude })
            }
            #[inline(always)]
            fn round_u64(value: u64) -> Self { Self::round_from(f32_to_odd_from_u64(value)) }
        }
    )*};
}

small_float_target!(f16, bf16, F8E4M3, F8E5M2);

// The language's conversions of floats to integers are the rule of this kernel; those of integers wrap, so they are clamped first.
macro_rules! integer_target {
    ($($integer:ty),*) => {$(
        impl Target for $integer {
            #[inline(always)]
            fn round_f32(value: f32) -> Self { value as $integer }
            #[inline(always)]
            fn round_f64(value: f64) -> Self { value as $integer }
            #[inline(always)]
            fn round_i64(value: i64) -> Self {
                // u64 has no upper end within i64.
                let largest = i64::try_from(<$integer>::MAX).unwrap_or(i64::MAX);
                value.clamp(<$integer>::MIN as i64, largest) as $integer
            }
            #[inline(always)]
            fn round_u64(value: u64) -> Self { value.min(<$integer>::MAX as u64) as $integer }
        }
    )*};
}

integer_target!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Target for Boolean {
    #[inline(always)]
    fn round_f32(value: f32) -> Self {
        (value != 0.0).into()
    }
    #[inline(always)]
    fn round_f64(value: f64) -> Self {
        (value != 0.0).into()
    }
    #[inline(always)]
    fn round_i64(value: i64) -> Self {
        (value != 0).into()
    }
    #[inline(always)]
    fn round_u64(value: u64) -> Self {
        (value != 0).into()
    }
}
