//! On the host: small matrices of a batch side by side in vector lanes, others one by one, the columns of large ones on all threads.

use faer::{MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, copy, for_each};
use super::super::householder::{column, dot, reflect_column_lanes, reflection};
use super::super::lanes::{self, Lanes, Room, Work};
use super::super::qr_reflectors::Reflectors;
use super::Pivoted;
use crate::parallel::Each;

/// Reflections and permutations. `a` has elements.
pub(super) fn pivoted<T: Real>(a: &Tensor, extents: &Extents) -> Result<Pivoted> {
    let (m, n, batches) = (extents.m, extents.n, extents.batches());
    let k = m.min(n);
    let a = Matrices::<T>::new(a)?;
    let empty = |dtype, tail: &[usize]| Tensor::empty(&Stream::cpu(), dtype, extents.shape(tail));
    let mut reflectors = empty(T::DTYPE, &[m, n])?;
    let mut tau = empty(T::DTYPE, &[k])?;
    let mut permutation = empty(DType::I32, &[n])?;
    let outputs = reflectors.as_slice_mut::<T>()?.chunks_mut(m * n);
    let outputs = outputs.zip(tau.as_slice_mut::<T>()?.chunks_mut(k));
    let outputs = outputs.zip(permutation.as_slice_mut::<i32>()?.chunks_mut(n));
    let items = outputs.enumerate().map(|(item, ((out, tau), permutation))| {
        permutation.iter_mut().zip(0..).for_each(|(to, column)| *to = column);
        Item { a: a.at(item), out: MatMut::from_row_major_slice_mut(out, m, n), tau, permutation }
    });
    if lanes::fit::<T>(batches, m.max(n)) {
        lanes::for_each::<T, _>(&Reflect, items.collect());
    } else {
        for_each(items.collect(), m.max(n), one);
    }
    Ok(Pivoted { packed: Reflectors { reflectors, tau }, permutation })
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    out: MatMut<'a, T>,
    tau: &'a mut [T],
    permutation: &'a mut [i32],
}

/// A column's length below the rows that are done, and that when it was last computed from its elements.
#[derive(Clone, Copy)]
struct Length<T> {
    now: T,
    known: T,
}

/// Less than so much of a square, and half of its digits are those of roundings.
fn least_left<T: Real>() -> T {
    T::EPSILON.root()
}

/// The place of the longest, from k on; the first of equal ones, and k itself if its length is no number.
fn longest<T: Real>(k: usize, n: usize, length: impl Fn(usize) -> T) -> usize {
    (k + 1..n).fold(k, |longest, j| if length(longest) < length(j) { j } else { longest })
}

/// Elements of columns that are worth a task of their own.
const TASK: usize = 1 << 15;

fn one<T: Real>(item: Item<'_, T>, par: Par) {
    let (m, n) = item.a.shape();
    let mut a = Scratch::of(item.a);
    let mut lengths = vec![Length { now: T::ZERO, known: T::ZERO }; n];
    for (j, length) in lengths.iter_mut().enumerate() {
        let now = Arch::new().dispatch(Measure { x: column(a.as_mut().get_mut(.., j..), 0) });
        *length = Length { now, known: now };
    }
    for (k, tau) in item.tau.iter_mut().enumerate() {
        let pivot = longest(k, n, |j| lengths[j].now);
        if pivot != k {
            item.permutation.swap(k, pivot);
            lengths[pivot] = lengths[k];
            let (mut left, mut right) = a.as_mut().split_at_col_mut(pivot);
            column(left.as_mut(), k).swap_with_slice(column(right.as_mut(), 0));
        }
        let (mut done, rest) = a.as_mut().get_mut(k.., k..).split_at_col_mut(1);
        let vector = column(done.as_mut(), 0);
        *tau = Arch::new().dispatch(Make { vector: &mut *vector });
        let (tail, tau) = (&vector[1..], *tau);
        let follow = |columns: MatMut<'_, T>, lengths: &mut [Length<T>]| {
            Arch::new().dispatch(Follow { tail, tau, columns, lengths });
        };
        let lengths = &mut lengths[k + 1..];
        if matches!(par, Par::Seq) {
            follow(rest, lengths);
        } else {
            let together = (TASK / (m - k)).max(1);
            let pieces = rest.par_col_chunks_mut(together).zip(lengths.par_chunks_mut(together));
            pieces.each(&|(columns, lengths)| follow(columns, lengths));
        }
    }
    copy(a.as_ref(), item.out);
}

struct Measure<'a, T> {
    x: &'a [T],
}

impl<T: Real> WithSimd for Measure<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        length(simd, self.x)
    }
}

/// The root of the sum of squares, which stays in the range.
#[inline(always)]
fn length<S: Simd, T: Real>(simd: S, x: &[T]) -> T {
    let square = dot(simd, x, x);
    if T::SAFE_SQUARES.contains(&square) {
        return square.root();
    }
    let largest = x.iter().fold(T::ZERO, |largest, x| {
        let x = x.magnitude();
        if x > largest || x.partial_cmp(&x).is_none() { x } else { largest }
    });
    if largest == T::ZERO || !largest.finite() {
        return largest;
    }
    let square = x.iter().fold(T::ZERO, |sum, &x| sum + (x / largest) * (x / largest));
    largest * square.root()
}

struct Make<'a, T> {
    vector: &'a mut [T],
}

impl<T: Real> WithSimd for Make<'_, T> {
    type Output = T;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T {
        let (head, tail) = self.vector.split_first_mut().expect("reflections are rows");
        reflection(simd, head, tail)
    }
}

/// A reflection, applied to columns, and what is left of their lengths.
struct Follow<'a, T> {
    tail: &'a [T],
    tau: T,
    columns: MatMut<'a, T>,
    lengths: &'a mut [Length<T>],
}

impl<T: Real> WithSimd for Follow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Follow { tail, tau, mut columns, lengths } = self;
        for (j, of) in lengths.iter_mut().enumerate() {
            let (first, others) = column(columns.as_mut(), j).split_first_mut().expect("as many rows");
            let factor = tau * (*first + dot(simd, tail, others));
            *first -= factor;
            for (x, &v) in others.iter_mut().zip(tail) {
                *x = x.minus_product(factor, v);
            }
            if of.now == T::ZERO {
                continue;
            }
            let part = *first / of.now;
            let left = T::ONE - part * part;
            let left = if left < T::ZERO { T::ZERO } else { left };
            let since = of.now / of.known;
            if left * (since * since) <= least_left() {
                let now = length(simd, others);
                *of = Length { now, known: now };
            } else {
                of.now *= left.root();
            }
        }
    }
}

struct Reflect;

impl<T: Real> Work<Item<'_, T>> for Reflect {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let (m, n) = items[0].a.shape();
        // Column-major, as all that follows.
        let matrices: Vec<_> = items.iter().map(|item| item.a.transpose()).collect();
        let mut a = lanes::load(simd, &matrices);
        let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
        let least = Lanes::splat(simd, least_left());
        let (mut now, mut known) = (Room::zeros(simd, n), Room::zeros(simd, n));
        for (j, column) in a.chunks_exact(m).enumerate() {
            now[j] = length_lanes(simd, column);
            known[j] = now[j];
        }
        let mut tau = Room::zeros(simd, m.min(n));
        for (k, tau) in tau.iter_mut().enumerate() {
            for (lane, item) in items.iter_mut().enumerate() {
                let pivot = longest(k, n, |j| now[j].each()[lane]);
                if pivot != k {
                    item.permutation.swap(k, pivot);
                    for lengths in [&mut now, &mut known] {
                        lengths[pivot].each_mut()[lane] = lengths[k].each()[lane];
                    }
                    let (before, from_pivot) = a.split_at_mut(pivot * m);
                    for (x, y) in before[k * m..][..m].iter_mut().zip(&mut from_pivot[..m]) {
                        std::mem::swap(&mut x.each_mut()[lane], &mut y.each_mut()[lane]);
                    }
                }
            }
            *tau = reflect_column_lanes(simd, m, k, &mut a);
            for j in k + 1..n {
                let over = |x: Lanes<S, T>| x.where_equal(zero, one, x);
                let part = a[j * m + k] / over(now[j]);
                let left = one.minus_product(part, part);
                let left = left.where_less(zero, zero, left);
                let since = now[j] / over(known[j]);
                let digits = left * (since * since);
                let shorter = now[j] * left.root();
                // Not more than the least; a column of zeros remains one.
                let enough = |then, otherwise| least.where_less(digits, then, otherwise);
                if enough(one, zero).each().iter().all(|&x| x == T::ONE) {
                    now[j] = shorter;
                } else {
                    let anew = length_lanes(simd, &a[j * m + k + 1..(j + 1) * m]);
                    now[j] = enough(shorter, anew);
                    known[j] = enough(known[j], anew);
                }
            }
        }
        lanes::store(simd, &a, items.iter_mut().map(|item| item.out.as_mut().transpose_mut()));
        for (lane, item) in items.into_iter().enumerate() {
            item.tau.iter_mut().zip(&*tau).for_each(|(to, from)| *to = from.each()[lane]);
        }
    }
}

/// The lengths of columns side by side.
#[inline(always)]
fn length_lanes<S: Simd, T: Real>(simd: S, column: &[Lanes<S, T>]) -> Lanes<S, T> {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let mut largest = zero;
    for x in column {
        let x = x.abs();
        largest = largest.where_less(x, x, largest);
    }
    let over = largest.where_equal(zero, one, largest);
    let mut square = zero;
    for &x in column {
        let x = x / over;
        square = square + x * x;
    }
    largest * square.root()
}
