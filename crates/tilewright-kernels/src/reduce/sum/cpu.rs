//! Native path: 64 lanes over a leaf, leaves and blocks in a balanced tree.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{Result, Tensor};

use super::Mode;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_number};
use crate::reduce::rows::Rows;

/// Partial sums that a leaf keeps side by side: 16 additions follow one another in each, then 6 join them.
const LANES: usize = 64;
/// The same with an error term beside each, so half as many fit the registers.
const COMPENSATED_LANES: usize = 32;

pub(super) fn sum(rows: &Rows, mode: Mode) -> Result<Tensor> {
    with_number!(rows.x.dtype(), T => sums::<T>(rows, mode))
}

fn sums<T: Number>(rows: &Rows, mode: Mode) -> Result<Tensor> {
    let host = rows.host::<T>()?;
    let sums: Vec<T> = match mode {
        _ if rows.n == 0 => vec![T::zeroed(); rows.rows],
        Mode::Plain => Plain.rows(&host).into_iter().map(T::round).collect(),
        Mode::Compensated => Compensated.rows(&host).into_iter().map(|sum| T::round(sum.total())).collect(),
    };
    Tensor::from_vec(sums, rows.reduced())
}

struct Plain;

impl<T: Number> Fold<T> for Plain {
    type Part = T::Sum;

    fn block(&self, block: &[T], _: usize) -> T::Sum {
        halves(block, &leaf::<T>, &T::Sum::plus)
    }

    fn merge(&self, left: T::Sum, right: T::Sum) -> T::Sum {
        left.plus(right)
    }
}

/// Sums with the rounding errors carried along.
pub(in crate::reduce) struct Compensated;

impl<T: Number> Fold<T> for Compensated {
    type Part = Exact<T::Sum>;

    fn block(&self, block: &[T], _: usize) -> Exact<T::Sum> {
        halves(block, &compensated_leaf::<T>, &Exact::plus)
    }

    fn merge(&self, left: Exact<T::Sum>, right: Exact<T::Sum>) -> Exact<T::Sum> {
        left.plus(right)
    }
}

/// Sums a block by its leaves, in a balanced tree.
fn halves<T, S>(block: &[T], leaf: &impl Fn(&[T]) -> S, plus: &impl Fn(S, S) -> S) -> S {
    if block.len() <= LEAF {
        return leaf(block);
    }
    let (left, right) = block.split_at(block.len().div_ceil(LEAF) / 2 * LEAF);
    plus(halves(left, leaf, plus), halves(right, leaf, plus))
}

fn leaf<T: Number>(block: &[T]) -> T::Sum {
    let mut stage = [T::Sum::ZERO; LEAF];
    Arch::new().dispatch(PlainLeaf(T::load(block, &mut stage)))
}

fn compensated_leaf<T: Number>(block: &[T]) -> Exact<T::Sum> {
    let mut stage = [T::Sum::ZERO; LEAF];
    Arch::new().dispatch(CompensatedLeaf(T::load(block, &mut stage)))
}

struct PlainLeaf<'a, S>(&'a [S]);

impl<S: Accumulator> WithSimd for PlainLeaf<'_, S> {
    type Output = S;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> S {
        let mut lanes = [S::ZERO; LANES];
        let (chunks, tail) = self.0.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = lane.plus(x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(tail) {
            *lane = lane.plus(x);
        }
        folded(lanes, S::plus)
    }
}

struct CompensatedLeaf<'a, S>(&'a [S]);

impl<S: Accumulator> WithSimd for CompensatedLeaf<'_, S> {
    type Output = Exact<S>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Exact<S> {
        let (mut sums, mut errors) = ([S::ZERO; COMPENSATED_LANES], [S::ZERO; COMPENSATED_LANES]);
        let (chunks, tail) = self.0.as_chunks::<COMPENSATED_LANES>();
        for chunk in chunks {
            for ((sum, error), &x) in sums.iter_mut().zip(&mut errors).zip(chunk) {
                let (rounded, lost) = two_sum(*sum, x);
                (*sum, *error) = (rounded, error.plus(lost));
            }
        }
        for ((sum, error), &x) in sums.iter_mut().zip(&mut errors).zip(tail) {
            let (rounded, lost) = two_sum(*sum, x);
            (*sum, *error) = (rounded, error.plus(lost));
        }
        let mut lanes = [Exact::ZERO; COMPENSATED_LANES];
        for (lane, (sum, error)) in lanes.iter_mut().zip(sums.into_iter().zip(errors)) {
            *lane = Exact { sum, error };
        }
        folded(lanes, Exact::plus)
    }
}

/// Joins lanes pairwise, the upper half onto the lower. `N` is a power of two.
#[inline(always)]
pub(in crate::reduce) fn folded<S: Copy, const N: usize>(mut lanes: [S; N], plus: impl Fn(S, S) -> S) -> S {
    let mut width = N / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = plus(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// A rounded sum with the sum of what the roundings lost.
#[derive(Clone, Copy)]
pub(in crate::reduce) struct Exact<S> {
    sum: S,
    error: S,
}

impl<S: Accumulator> Exact<S> {
    pub(in crate::reduce) const ZERO: Self = Exact { sum: S::ZERO, error: S::ZERO };

    pub(in crate::reduce) fn of(sum: S) -> Self {
        Exact { sum, error: S::ZERO }
    }

    #[inline(always)]
    pub(in crate::reduce) fn plus(self, other: Self) -> Self {
        let (sum, lost) = two_sum(self.sum, other.sum);
        Exact { sum, error: self.error.plus(other.error).plus(lost) }
    }

    /// An infinite or NaN sum has no meaningful error term.
    pub(in crate::reduce) fn total(self) -> S {
        if self.sum.is_finite() { self.sum.plus(self.error) } else { self.sum }
    }
}

/// The rounded sum and its rounding error, exactly, whatever the order of magnitude (Knuth's TwoSum).
#[inline(always)]
fn two_sum<S: Accumulator>(a: S, b: S) -> (S, S) {
    let sum = a.plus(b);
    let other = sum.minus(a);
    let error = a.minus(sum.minus(other)).plus(b.minus(other));
    (sum, error)
}
