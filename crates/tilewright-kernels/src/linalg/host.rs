//! Matrices on the host: where they lie, and how their work is divided among threads.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, RangeInclusive, Sub, SubAssign};

use faer::traits::RealField;
use faer::{Mat, MatMut, MatRef, Par};
use rayon::prelude::*;
use tilewright_core::{Element, Layout, Result, Tensor};

use super::lanes::Lane;

/// What matrices are computed in: f32 or f64.
pub(super) trait Real:
    Element
    + Lane
    + RealField
    + Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    const ZERO: Self;
    const ONE: Self;
    const NAN: Self;
    /// Sums of squares that neither overflowed nor lost anything that matters to underflow.
    const SAFE_SQUARES: RangeInclusive<Self>;
    /// The distance from 1 to the next number.
    const EPSILON: Self;
    /// The square of a norm below which a vector is one of zeros: beside numbers of size 1 it is less than a rounding of a rounding.
    const NOTHING: Self;
    /// `1 + x x` is `x x` from here on, and that no infinity yet.
    const LARGE: Self;
    fn from_count(count: usize) -> Self;
    fn power(self, exponent: f64) -> Self;
    fn root(self) -> Self;
    fn magnitude(self) -> Self;
    fn finite(self) -> bool;
    /// `self - a b`, rounded once.
    fn minus_product(self, a: Self, b: Self) -> Self;
}

macro_rules! real {
    ($($real:ident, $safe:expr, $nothing:expr);*) => {$(
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAN: Self = $real::NAN;
            const SAFE_SQUARES: RangeInclusive<Self> = $safe;
            const EPSILON: Self = $real::EPSILON;
            const NOTHING: Self = $nothing;
            const LARGE: Self = 1e9;
            fn from_count(count: usize) -> Self { count as $real }
            fn power(self, exponent: f64) -> Self { self.powf(exponent as $real) }
            #[inline(always)]
            fn root(self) -> Self { self.sqrt() }
            #[inline(always)]
            fn magnitude(self) -> Self { self.abs() }
            #[inline(always)]
            fn finite(self) -> bool { self.is_finite() }
            #[inline(always)]
            fn minus_product(self, a: Self, b: Self) -> Self { (-a).mul_add(b, self) }
        }
    )*};
}

real!(f32, 1e-24..=1e36, 1e-30; f64, 1e-270..=1e300, 1e-60);

/// Runs `$body` with `$T` as the type of a working dtype.
macro_rules! with_real {
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

pub(super) use with_real;

/// The matrices of a host tensor `[.., m, n]`, where they lie.
#[derive(Clone, Copy)]
pub(super) struct Matrices<'a, T> {
    elements: &'a [T],
    layout: &'a Layout,
}

impl<'a, T: Element> Matrices<'a, T> {
    pub(super) fn new(tensor: &'a Tensor) -> Result<Self> {
        Ok(Matrices { elements: tensor.host_elements()?, layout: tensor.layout() })
    }

    /// One matrix, as a view. It has elements.
    pub(super) fn at(&self, mut item: usize) -> MatRef<'a, T> {
        let (dims, strides) = (self.layout.shape().dims(), self.layout.strides());
        let batch = dims.len() - 2;
        let mut start = self.layout.offset();
        for axis in (0..batch).rev() {
            start += item % dims[axis] * strides[axis];
            item /= dims[axis];
        }
        let [rows, columns] = [dims[batch], dims[batch + 1]];
        let [down, across] = [strides[batch] as isize, strides[batch + 1] as isize];
        // SAFETY: a tensor's layout stays within its buffer, so every (row, column) of an item that exists lies within `elements`, which is
        // borrowed for as long as the view.
        unsafe { MatRef::from_raw_parts(self.elements[start..].as_ptr(), rows, columns, down, across) }
    }
}

/// From this size on the factorization of one matrix is divided among threads: below it, handing over costs more than it brings.
const PARALLEL: usize = 512;

/// Operations that are worth a task of their own.
const TASK: usize = 1 << 18;

/// Runs `each` on every item: large matrices one after the other with all threads in each, small ones side by side.
pub(super) fn for_each<I: Send>(items: Vec<I>, n: usize, each: impl Fn(I, Par) + Sync + Send) {
    if n >= PARALLEL {
        return items.into_iter().for_each(|item| each(item, Par::rayon(0)));
    }
    let together = (TASK / (n * n * n + 1)).max(1);
    if items.len() <= together {
        return items.into_iter().for_each(|item| each(item, Par::Seq));
    }
    items.into_par_iter().with_min_len(together).for_each(|item| each(item, Par::Seq));
}

/// Copies a matrix in square blocks, so that both stay in the cache whichever way they lie.
pub(super) fn copy<T: Real>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    const BLOCK: usize = 16;
    let (m, n) = from.shape();
    for top in (0..m).step_by(BLOCK) {
        for left in (0..n).step_by(BLOCK) {
            for i in top..m.min(top + BLOCK) {
                for j in left..n.min(left + BLOCK) {
                    to[(i, j)] = from[(i, j)];
                }
            }
        }
    }
}

/// The largest absolute value; NaN or infinite where there is one that is.
pub(super) fn largest_of<T: Real>(a: MatRef<'_, T>) -> T {
    let columns = (0..a.ncols()).flat_map(|j| a.col(j).iter());
    columns.fold(T::ZERO, |largest, x| {
        let x = x.magnitude();
        if x > largest || x.partial_cmp(&x).is_none() { x } else { largest }
    })
}

/// A column-major copy over its largest element, which is finite, and that; or over 1 where it is 0.
pub(super) fn scaled<T: Real>(a: MatRef<'_, T>, largest: T) -> (Mat<T>, T) {
    let size = if largest == T::ZERO { T::ONE } else { largest };
    let mut copied = Mat::zeros(a.nrows(), a.ncols());
    copy(a, copied.as_mut());
    for j in 0..copied.ncols() {
        copied.col_mut(j).iter_mut().for_each(|x| *x /= size);
    }
    (copied, size)
}
