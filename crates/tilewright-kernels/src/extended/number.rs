//! Twofold numbers on the host, of f32 or f64. Rust neither reorders sums nor fuses products into them.

use std::ops::{Add, Mul, Neg, Sub};

use tilewright_core::Element;

/// What twofold numbers are made of.
pub(super) trait Number:
    Element + Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    const ZERO: Self;
    /// `self a + b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;
    fn rounded(x: f64) -> Self;
    fn exact(self) -> f64;
}

macro_rules! number {
    ($($real:ident)*) => {$(
        impl Number for $real {
            const ZERO: Self = 0.0;
            #[inline(always)]
            fn fused(self, a: Self, b: Self) -> Self { self.mul_add(a, b) }
            fn rounded(x: f64) -> Self { x as $real }
            fn exact(self) -> f64 { self as f64 }
        }
    )*};
}

number!(f32 f64);

/// Runs `$body` with `$T` as the type of a dtype of the family.
macro_rules! with_number {
    ($dtype:expr, $T:ident => $body:expr) => {
        if $dtype == tilewright_core::DType::F64 {
            type $T = f64;
            $body
        } else {
            type $T = f32;
            $body
        }
    };
}

pub(super) use with_number;

/// The sum of two numbers, of which the low one is at most half a unit in the last place of the high one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Twofold<T> {
    pub(super) high: T,
    pub(super) low: T,
}

impl<T: Number> Twofold<T> {
    pub(super) const ZERO: Self = Twofold { high: T::ZERO, low: T::ZERO };
}

/// `a + b` without error (Knuth).
#[inline(always)]
pub(super) fn two_sum<T: Number>(a: T, b: T) -> Twofold<T> {
    let sum = a + b;
    let of_b = sum - a;
    Twofold { high: sum, low: (a - (sum - of_b)) + (b - of_b) }
}

/// The same where |a| >= |b|, or a is 0 (Dekker).
#[inline(always)]
fn quick_sum<T: Number>(a: T, b: T) -> Twofold<T> {
    let sum = a + b;
    Twofold { high: sum, low: b - (sum - a) }
}

/// Off by 3 u² at most, relative to the sum.
#[inline(always)]
pub(super) fn plus<T: Number>(a: Twofold<T>, b: Twofold<T>) -> Twofold<T> {
    let (high, low) = (two_sum(a.high, b.high), two_sum(a.low, b.low));
    let sum = quick_sum(high.high, high.low + low.high);
    quick_sum(sum.high, low.low + sum.low)
}

/// Off by 5 u² at most, relative to the product.
#[inline(always)]
pub(super) fn times<T: Number>(a: Twofold<T>, b: Twofold<T>) -> Twofold<T> {
    let product = a.high * b.high;
    let error = a.high.fused(b.high, -product);
    quick_sum(product, error + a.high.fused(b.low, a.low * b.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept() {
        // What a sum that is reordered, or (a + b) - a taken for b, would lose.
        assert_eq!(two_sum(1e8f32, 1.0), Twofold { high: 1e8, low: 1.0 });
        assert_eq!(two_sum(1.0, 1e8f32), Twofold { high: 1e8, low: 1.0 });
        let third = Twofold { high: 1.0f32 / 3.0, low: 0.0 };
        let product = times(third, Twofold { high: 3.0, low: 0.0 });
        assert_eq!(f64::from(product.high) + f64::from(product.low), f64::from(1.0f32 / 3.0) * 3.0);
    }
}
