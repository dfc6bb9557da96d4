//! Matrices on the host: where they lie, and how their work is divided among threads.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, RangeInclusive, Sub, SubAssign};

use faer::dyn_stack::{MemStack, StackReq};
use faer::traits::RealField;
use faer::{MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{AlignedBytes, Element, Layout, Result, Tensor};

use super::lanes::{Lane, Lanes, WIDEST};
use crate::gemm::matmul::tasks;
use crate::parallel::Each;

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
    items.into_par_iter().with_min_len(together).each(&|item| each(item, Par::Seq));
}

/// Among how many threads work of so many multiplications is divided: among one where a part would not be worth the hand-over.
pub(super) fn parts(par: Par, multiplications: usize) -> usize {
    if par.degree() > 1 { tasks(multiplications) } else { 1 }
}

/// A column-major matrix to work in, to be written before it is read. Its memory serves again and again.
pub(super) struct Scratch<T> {
    memory: AlignedBytes,
    shape: [usize; 2],
    stride: usize,
    of: PhantomData<T>,
}

impl<T: Real> Scratch<T> {
    pub(super) fn new(m: usize, n: usize) -> Self {
        let line = 64 / size_of::<T>();
        // Columns begin with a cache line, and not so that many of them share one place in the cache.
        let lines = m.div_ceil(line);
        let stride = line * if lines.is_multiple_of(16) { lines + 1 } else { lines };
        let memory =
            AlignedBytes::fresh(stride * n * size_of::<T>()).expect("there is memory for one more matrix");
        Scratch { memory, shape: [m, n], stride, of: PhantomData }
    }

    pub(super) fn zeros(m: usize, n: usize) -> Self {
        let mut scratch = Self::new(m, n);
        scratch.memory.as_mut().fill(0);
        scratch
    }

    /// A copy.
    pub(super) fn of(a: MatRef<'_, T>) -> Self {
        let mut scratch = Self::new(a.nrows(), a.ncols());
        copy(a, scratch.as_mut());
        scratch
    }

    fn divide(&mut self, by: T) {
        let mut a = self.as_mut();
        for j in 0..a.ncols() {
            a.as_mut().col_mut(j).iter_mut().for_each(|x| *x /= by);
        }
    }

    /// Divides by the largest element, and gives it, where squares of elements might leave the range of numbers; elsewhere 1.
    pub(super) fn scale(&mut self, largest: T) -> T {
        // A million squares are a number as well, and so is the square of what is a rounding beside the largest.
        let margin = T::from_f64((1u64 << 20) as f64);
        let safe = T::SAFE_SQUARES.start().root() * margin..=T::SAFE_SQUARES.end().root() / margin;
        if largest == T::ZERO || safe.contains(&largest) {
            return T::ONE;
        }
        self.divide(largest);
        largest
    }

    pub(super) fn as_ref(&self) -> MatRef<'_, T> {
        let [m, n] = self.shape;
        MatRef::from_column_major_slice_with_stride(
            bytemuck::cast_slice(self.memory.as_ref()),
            m,
            n,
            self.stride,
        )
    }

    pub(super) fn as_mut(&mut self) -> MatMut<'_, T> {
        let [m, n] = self.shape;
        let elements = bytemuck::cast_slice_mut(self.memory.as_mut());
        MatMut::from_column_major_slice_with_stride_mut(elements, m, n, self.stride)
    }
}

/// Copies a matrix: line by line where both lie alike, by tiles that are turned in registers where one lies by rows and the other by columns.
pub(super) fn copy<T: Real>(from: MatRef<'_, T>, to: MatMut<'_, T>) {
    assert_eq!(from.shape(), to.shape(), "a copy is of the same shape");
    let (m, n) = from.shape();
    if m * n >= TASK && m > 1 {
        let (first, second) = from.split_at_row(m / 2);
        let (to_first, to_second) = to.split_at_row_mut(m / 2);
        rayon::join(|| copy(first, to_first), || copy(second, to_second));
        return;
    }
    Arch::new().dispatch(Copying { from, to });
}

struct Copying<'a, T> {
    from: MatRef<'a, T>,
    to: MatMut<'a, T>,
}

impl<T: Real> WithSimd for Copying<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // A line of the cache of either: what is loaded of it is used.
        const BLOCK: usize = 16;
        let Copying { mut from, mut to } = self;
        if from.col_stride() != 1 {
            (from, to) = (from.transpose(), to.transpose_mut());
        }
        let (m, n) = from.shape();
        if from.col_stride() == 1 && to.col_stride() == 1 {
            for i in 0..m {
                let (from, to) =
                    (from.row(i).try_as_row_major(), to.as_mut().row_mut(i).try_as_row_major_mut());
                if let (Some(from), Some(to)) = (from, to) {
                    to.as_slice_mut().copy_from_slice(from.as_slice());
                }
            }
            return;
        }
        let count =
            if from.col_stride() == 1 && to.row_stride() == 1 { lanes_of::<S, T>() } else { usize::MAX };
        let (source, target) = (from.as_ptr(), to.as_ptr_mut());
        let (down, across) = (from.row_stride(), to.col_stride());
        let mut tile = [T::splat(simd, T::ZERO); WIDEST];
        for top in (0..m).step_by(BLOCK) {
            for left in (0..n).step_by(BLOCK) {
                let (bottom, right) = (m.min(top + BLOCK), n.min(left + BLOCK));
                if count > BLOCK || bottom - top < BLOCK || right - left < BLOCK {
                    for i in top..bottom {
                        for j in left..right {
                            to[(i, j)] = from[(i, j)];
                        }
                    }
                    continue;
                }
                for j in (left..right).step_by(count) {
                    for i in (top..bottom).step_by(count) {
                        for (r, vector) in tile[..count].iter_mut().enumerate() {
                            // SAFETY: rows i to i + count have elements j to j + count, one beside the other; a vector is as many elements.
                            *vector = unsafe {
                                source
                                    .offset((i + r) as isize * down)
                                    .add(j)
                                    .cast::<T::Vector<S>>()
                                    .read_unaligned()
                            };
                        }
                        T::transpose(simd, &mut tile[..count]);
                        for (c, &vector) in tile[..count].iter().enumerate() {
                            // SAFETY: the same elements of columns of `to`, which is borrowed to be written.
                            unsafe {
                                target
                                    .offset((j + c) as isize * across)
                                    .add(i)
                                    .cast::<T::Vector<S>>()
                                    .write_unaligned(vector);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn lanes_of<S: Simd, T: Real>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

/// Memory for faer's routines, which serves again and again.
pub(super) struct Workspace(AlignedBytes);

impl Workspace {
    pub(super) fn new(need: StackReq) -> Self {
        Workspace(AlignedBytes::fresh(need.unaligned_bytes_required()).expect("there is memory to work in"))
    }

    pub(super) fn stack(&mut self) -> &mut MemStack {
        let bytes: *mut [u8] = self.0.as_mut();
        // SAFETY: the bytes are borrowed for as long as the stack is; numbers alone are written there, and no byte of a number is undefined.
        MemStack::new(unsafe { &mut *(bytes as *mut [MaybeUninit<u8>]) })
    }
}

/// The largest absolute value; NaN where there is one, or an infinity.
pub(super) fn largest_of<T: Real>(a: MatRef<'_, T>) -> T {
    Arch::new().dispatch(Largest(a))
}

struct Largest<'a, T>(MatRef<'a, T>);

impl<T: Real> WithSimd for Largest<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let a = if self.0.row_stride() == 1 { self.0 } else { self.0.transpose() };
        let zero = Lanes::splat(simd, T::ZERO);
        let (mut best, mut none) = (zero, zero);
        let (mut largest, mut sum) = (T::ZERO, T::ZERO);
        for j in 0..a.ncols() {
            let line = a.col(j);
            let (vectors, rest) = match line.try_as_col_major() {
                Some(line) => T::vectors(simd, line.as_slice()),
                None => (&[][..], &[][..]),
            };
            for &x in vectors {
                let size = Lanes::new(simd, x).abs();
                best = best.where_less(size, size, best);
                // 0 times a number is 0, but NaN times infinity and NaN.
                none = none.minus_product(size, zero);
            }
            let first = if vectors.is_empty() && rest.is_empty() { 0 } else { line.nrows() - rest.len() };
            for i in first..line.nrows() {
                let size = line[i].magnitude();
                largest = if largest < size { size } else { largest };
                sum += size * T::ZERO;
            }
        }
        for (&size, &none) in best.each().iter().zip(none.each()) {
            largest = if largest < size { size } else { largest };
            sum += none;
        }
        largest + sum
    }
}

/// A column-major copy over its largest element, which is finite; over 1 where it is 0.
pub(super) fn scaled<T: Real>(a: MatRef<'_, T>, largest: T) -> Scratch<T> {
    let mut copied = Scratch::of(a);
    if largest != T::ZERO {
        copied.divide(largest);
    }
    copied
}
