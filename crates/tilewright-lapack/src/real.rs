//! f32 and f64, with the numbers that LAPACK's `LAMCH` gives.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use tilewright_kernels::linalg::views::Float;

pub(crate) trait Real:
    Float
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
{
    const ZERO: Self;
    const ONE: Self;
    /// The largest relative error of a rounding.
    const EPSILON: Self;
    /// The least number whose reciprocal is finite.
    const SAFE_MINIMUM: Self;
    const LARGEST: Self;
    fn from_count(count: usize) -> Self;
    fn magnitude(self) -> Self;
    fn root(self) -> Self;
    fn finite(self) -> bool;
    fn nan(self) -> bool;
    /// The next larger number.
    fn up(self) -> Self;
}

macro_rules! real {
    ($($real:ident)*) => {$(
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $real::EPSILON / 2.0;
            const SAFE_MINIMUM: Self = $real::MIN_POSITIVE;
            const LARGEST: Self = $real::MAX;
            fn from_count(count: usize) -> Self {
                count as $real
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
            fn root(self) -> Self {
                self.sqrt()
            }
            fn finite(self) -> bool {
                self.is_finite()
            }
            fn nan(self) -> bool {
                self.is_nan()
            }
            fn up(self) -> Self {
                self.next_up()
            }
        }
    )*};
}

real!(f32 f64);

/// The larger one; NaN where there is one.
pub(crate) fn largest<T: Real>(values: impl IntoIterator<Item = T>) -> T {
    values.into_iter().fold(T::ZERO, |most, x| if x > most || x.nan() { x } else { most })
}
