//! Sums on the host: fixed lanes in a fixed order, so that every machine and every number of threads gives the same bits.

use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

use half::slice::HalfFloatSliceExt;
use pulp::Arch;
use tilewright_core::{DType, Element, bf16, f16};

/// A type in which sums are kept: f32 or f64.
pub(super) trait Real:
    Element + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + AddAssign + SubAssign
{
    /// `self * factor + addend`, rounded once.
    fn fused(self, factor: Self, addend: Self) -> Self;
    fn root(self) -> Self;
}

macro_rules! real {
    ($($real:ty),*) => {$(
        impl Real for $real {
            #[inline(always)]
            fn fused(self, factor: Self, addend: Self) -> Self { self.mul_add(factor, addend) }
            #[inline(always)]
            fn root(self) -> Self { self.sqrt() }
        }
    )*};
}

real!(f32, f64);

/// The elements of `source` as sums take them: the very memory where the types agree, converted into `scratch` otherwise.
pub(super) fn widen<'a, T: Element, A: Real>(source: &'a [T], scratch: &'a mut Vec<A>) -> &'a [A] {
    if T::DTYPE == A::DTYPE {
        return bytemuck::cast_slice(source);
    }
    scratch.resize(source.len(), A::zeroed());
    match (T::DTYPE, A::DTYPE) {
        (DType::F16, DType::F32) => {
            bytemuck::cast_slice::<T, f16>(source).convert_to_f32_slice(bytemuck::cast_slice_mut(scratch))
        }
        (DType::Bf16, DType::F32) => {
            bytemuck::cast_slice::<T, bf16>(source).convert_to_f32_slice(bytemuck::cast_slice_mut(scratch))
        }
        _ => scratch.iter_mut().zip(source).for_each(|(wide, &x)| *wide = A::from_f64(x.to_f64())),
    }
    scratch
}

/// Partial sums that a dot product keeps side by side.
const LANES: usize = 32;

/// `sum_i a[i] b[i]`. The chain of additions is `len / 32` long, and 5 more.
pub(super) fn dot<A: Real>(a: &[A], b: &[A]) -> A {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut lanes = [A::zeroed(); LANES];
            let (a_whole, a_rest) = a.as_chunks::<LANES>();
            let (b_whole, b_rest) = b.as_chunks::<LANES>();
            for (a, b) in a_whole.iter().zip(b_whole) {
                for lane in 0..LANES {
                    lanes[lane] += a[lane] * b[lane];
                }
            }
            for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
                *lane += a * b;
            }
            fold(&mut lanes)
        },
    )
}

/// The sum of the lanes, as a tree.
#[inline(always)]
fn fold<A: Real>(lanes: &mut [A; LANES]) -> A {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// A sum and the part of it that one number cannot hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Double<A> {
    pub(super) high: A,
    pub(super) low: A,
}

impl<A: Real> Double<A> {
    pub(super) fn new(high: A) -> Self {
        Double { high, low: A::zeroed() }
    }

    /// Adds a number: the rounding error of the sum, exactly (Knuth's TwoSum), goes to the low part.
    #[inline(always)]
    pub(super) fn add(self, x: A) -> Self {
        let high = self.high + x;
        let of_x = high - self.high;
        let error = (self.high - (high - of_x)) + (x - of_x);
        Double { high, low: self.low + error }
    }

    /// Adds `a b`, whose rounding error the fused operation gives exactly.
    #[inline(always)]
    pub(super) fn add_product(self, a: A, b: A) -> Self {
        let product = a * b;
        let mut sum = self.add(product);
        sum.low += a.fused(b, A::zeroed() - product);
        sum
    }

    pub(super) fn join(self, other: Self) -> Self {
        let mut sum = self.add(other.high);
        sum.low += other.low;
        sum
    }

    #[inline(always)]
    pub(super) fn store(self, high: &mut A, low: &mut A) {
        (*high, *low) = (self.high, self.low);
    }

    pub(super) fn value(self) -> A {
        self.high + self.low
    }
}

/// `start + sum_i a[i] b[i]` as if in twice the precision.
pub(super) fn dot_doubled<A: Real>(start: Double<A>, a: &[A], b: &[A]) -> Double<A> {
    Arch::new().dispatch(
        #[inline(always)]
        || a.iter().zip(b).fold(start, |sum, (&a, &b)| sum.add_product(a, b)),
    )
}

/// `y -= factor x`.
pub(super) fn subtract_scaled<A: Real>(y: &mut [A], factor: A, x: &[A]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (y, &x) in y.iter_mut().zip(x) {
                *y -= factor * x;
            }
        },
    )
}

/// `y *= factor`.
pub(super) fn scale<A: Real>(y: &mut [A], factor: A) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for y in y.iter_mut() {
                *y = *y * factor;
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_of_every_length_are_exact_on_whole_numbers() {
        for length in [0usize, 1, 31, 32, 33, 64, 100] {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            let b: Vec<f32> = (0..length).map(|i| (i % 7) as f32).collect();
            let truth: f32 = (0..length).map(|i| (i * (i % 7)) as f32).sum();
            assert_eq!(dot(&a, &b), truth);
            assert_eq!(dot_doubled(Double::new(1.0), &a, &b).value(), truth + 1.0);
        }
    }

    #[test]
    fn doubled_sums_survive_cancellation() {
        // 1e8 + 1e-3 needs 37 bits: more than one f32 has, fewer than two.
        let (a, b) = ([1e4f32, 1.0, -1e4, 1e-3], [1e4f32, 1e-3, 1e4, 1.0]);
        let sum = dot_doubled(Double::new(0.0), &a, &b).value();
        assert!((sum - 2e-3).abs() < 1e-6, "{sum}");
        let (a, b) = ([1e16f64, 1.0, -1e16], [1.0f64, 1.0, 1.0]);
        assert_eq!(dot_doubled(Double::new(0.0), &a, &b).value(), 1.0);
    }
}
