//! The element types that the host paths compute with.
//!
//! Loops are written over [`Number::Sum`], the type that accumulates; 16-bit floats pass through a small stage of f32, so that
//! each loop exists once. Loops run under `pulp`'s dispatch, which compiles them for the vector units that the machine has.

use half::slice::HalfFloatSliceExt;
use tilewright_core::{Element, bf16, f16};

/// Elements that a loop takes at a time: what a 16-bit float's stage holds.
pub(crate) const LEAF: usize = 1024;

/// An element type with the type that accumulates it.
pub(crate) trait Number: Element {
    /// f32 for f32 and shorter floats, otherwise the type itself.
    type Sum: Accumulator;

    /// The elements as accumulators: themselves, or converted into `stage`. At most [`LEAF`].
    fn load<'a>(source: &'a [Self], stage: &'a mut [Self::Sum; LEAF]) -> &'a [Self::Sum];

    /// Lets `compute` fill the elements as accumulators, then rounds. At most [`LEAF`].
    fn store(target: &mut [Self], compute: impl FnOnce(&mut [Self::Sum]));

    /// Rounds one result.
    fn round(value: Self::Sum) -> Self {
        let mut result = [Self::zeroed()];
        Self::store(&mut result, |stage| stage[0] = value);
        result[0]
    }
}

/// A type that accumulates: a float, or an integer modulo its range.
pub(crate) trait Accumulator: Element + PartialOrd {
    /// 0.
    const ZERO: Self;
    /// The sum, rounded once, or modulo the range.
    fn plus(self, other: Self) -> Self;
    /// The difference, rounded once, or modulo the range.
    fn minus(self, other: Self) -> Self;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
    /// Whether this is neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

macro_rules! own_accumulator {
    ($($T:ty),*) => {$(
        impl Number for $T {
            type Sum = $T;
            fn load<'a>(source: &'a [$T], _: &'a mut [$T; LEAF]) -> &'a [$T] {
                source
            }
            fn store(target: &mut [$T], compute: impl FnOnce(&mut [$T])) {
                compute(target)
            }
        }
    )*};
}

own_accumulator!(f32, f64, i32, i64, u32);

macro_rules! staged {
    ($($T:ty),*) => {$(
        impl Number for $T {
            type Sum = f32;
            fn load<'a>(source: &'a [$T], stage: &'a mut [f32; LEAF]) -> &'a [f32] {
                let stage = &mut stage[..source.len()];
                source.convert_to_f32_slice(stage);
                stage
            }
            fn store(target: &mut [$T], compute: impl FnOnce(&mut [f32])) {
                let stage = &mut [0.0; LEAF][..target.len()];
                compute(stage);
                target.convert_from_f32_slice(stage);
            }
        }
    )*};
}

staged!(f16, bf16);

macro_rules! float_accumulator {
    ($($T:ty),*) => {$(
        impl Accumulator for $T {
            const ZERO: $T = 0.0;
            #[inline(always)]
            fn plus(self, other: $T) -> $T {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: $T) -> $T {
                self - other
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
        }
    )*};
}

float_accumulator!(f32, f64);

macro_rules! integer_accumulator {
    ($($T:ty),*) => {$(
        impl Accumulator for $T {
            const ZERO: $T = 0;
            #[inline(always)]
            fn plus(self, other: $T) -> $T {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: $T) -> $T {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                true
            }
        }
    )*};
}

integer_accumulator!(i32, i64, u32);

/// Runs `$body` with `$T` bound to the [`Number`] of a float dtype, which has been checked to be one.
macro_rules! with_float {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            tilewright_core::DType::F64 => crate::reduce::number::bound!(f64, $T => $body),
            tilewright_core::DType::F32 => crate::reduce::number::bound!(f32, $T => $body),
            tilewright_core::DType::F16 => crate::reduce::number::bound!(tilewright_core::f16, $T => $body),
            tilewright_core::DType::Bf16 => crate::reduce::number::bound!(tilewright_core::bf16, $T => $body),
            other => unreachable!("{other} has been refused"),
        }
    };
}

/// Runs `$body` with `$T` bound to the [`Number`] of a dtype, which has been checked to be one.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            tilewright_core::DType::I32 => crate::reduce::number::bound!(i32, $T => $body),
            tilewright_core::DType::I64 => crate::reduce::number::bound!(i64, $T => $body),
            tilewright_core::DType::U32 => crate::reduce::number::bound!(u32, $T => $body),
            float => crate::reduce::number::with_float!(float, $T => $body),
        }
    };
}

macro_rules! bound {
    ($rust:ty, $T:ident => $body:expr) => {{
        type $T = $rust;
        $body
    }};
}

pub(super) use with_number;
pub(crate) use {bound, with_float};
