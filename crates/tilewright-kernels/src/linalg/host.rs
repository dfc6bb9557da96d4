//! Matrices on the host: where they lie, and how their work is divided among threads.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, Neg, RangeInclusive, Sub, SubAssign};

use faer::traits::RealField;
use faer::{MatMut, MatRef, Par};
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
    + DivAssign
{
    const ZERO: Self;
    const ONE: Self;
    const NAN: Self;
    /// Sums of squares that neither overflowed nor lost anything that matters to underflow.
    const SAFE_SQUARES: RangeInclusive<Self>;
    fn root(self) -> Self;
    fn magnitude(self) -> Self;
    fn finite(self) -> bool;
    /// `self - a b`, rounded once.
    fn minus_product(self, a: Self, b: Self) -> Self;
}

macro_rules! real {
    ($($real:ident, $safe:expr);*) => {$(
        impl Real for $real {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAN: Self = $real::NAN;
            const SAFE_SQUARES: RangeInclusive<Self> = $safe;
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

real!(f32, 1e-24..=1e36; f64, 1e-270..=1e300);

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
