//! The family's numbers on the host: each with the type that its sums are held in.

use std::ops::{Add, AddAssign, Mul};

use half::slice::HalfFloatSliceExt;
use tilewright_core::{Element, bf16, f16};

/// What sums are held in: f32 or f64.
pub(crate) trait Sum: Element + Default + Add<Output = Self> + Mul<Output = Self> + AddAssign {}

impl Sum for f32 {}
impl Sum for f64 {}

/// A float of the family, which its sums begin from.
pub(crate) trait Number: Element {
    /// f64 for f64, f32 for the others.
    type Sum: Sum;
    /// The same elements, where they are sums already.
    fn as_sums(_from: &[Self]) -> Option<&[Self::Sum]> {
        None
    }
    /// Widens `from` into `to`, of the same length.
    fn widen(from: &[Self], to: &mut [Self::Sum]);
}

/// A float of the family, which sums of `S` end in.
pub(crate) trait Rounded<S>: Element {
    /// Rounds `from` into `to`, of the same length: to nearest, ties to even.
    fn round(from: &[S], to: &mut [Self]);
}

macro_rules! own_sum {
    ($($float:ty),*) => {$(
        impl Number for $float {
            type Sum = $float;
            fn as_sums(from: &[$float]) -> Option<&[$float]> {
                Some(from)
            }
            fn widen(from: &[$float], to: &mut [$float]) {
                to.copy_from_slice(from);
            }
        }
        impl Rounded<$float> for $float {
            fn round(from: &[$float], to: &mut [$float]) {
                to.copy_from_slice(from);
            }
        }
    )*};
}

own_sum!(f32, f64);

impl Number for f16 {
    type Sum = f32;
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}

impl Number for bf16 {
    type Sum = f32;
    // Shifts that the compiler turns into vector instructions where it is inlined.
    #[inline(always)]
    fn widen(from: &[bf16], to: &mut [f32]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = f32::from_bits(u32::from(from.to_bits()) << 16);
        }
    }
}

impl Rounded<f32> for f16 {
    fn round(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

impl Rounded<f32> for bf16 {
    // Selects that the compiler turns into vector instructions where it is inlined, as in `widen`.
    #[inline(always)]
    fn round(from: &[f32], to: &mut [bf16]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = bf16::from_f32(*from);
        }
    }
}

/// Runs `$body` with `$T` the operands' type and `$O` the output's. The dtypes are a pair that a product has: f64 and f64, or two of the
/// others.
macro_rules! with_numbers {
    (($operands:expr, $out:expr), $T:ident, $O:ident => $body:expr) => {{
        use tilewright_core::{DType, bf16, f16};
        macro_rules! arm {
            ($operand:ty, $output:ty) => {{
                type $T = $operand;
                type $O = $output;
                $body
            }};
        }
        match ($operands, $out) {
            (DType::F64, _) => arm!(f64, f64),
            (DType::F32, DType::F32) => arm!(f32, f32),
            (DType::F32, DType::F16) => arm!(f32, f16),
            (DType::F32, _) => arm!(f32, bf16),
            (DType::F16, DType::F32) => arm!(f16, f32),
            (DType::F16, DType::F16) => arm!(f16, f16),
            (DType::F16, _) => arm!(f16, bf16),
            (_, DType::F32) => arm!(bf16, f32),
            (_, DType::F16) => arm!(bf16, f16),
            (_, _) => arm!(bf16, bf16),
        }
    }};
}

pub(super) use with_numbers;
