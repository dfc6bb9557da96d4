//! Native path: vector maxima of a leaf, whose largest and its position are looked for only where one of them beats all leaves before.

use pulp::{Simd, WithSimd};
use tilewright_core::{DType, Result, Tensor};

use crate::machine::widest;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_number};
use crate::reduce::rows::{Rows, positions};

/// Running maxima that a leaf keeps side by side: 4 vectors of the widest units.
const LANES: usize = 32;

pub(super) fn argmax(rows: &Rows, index: DType) -> Result<Tensor> {
    let best: Vec<u32> = with_number!(rows.x.dtype(), T => best_positions::<T>(rows)?);
    positions(best, index, rows.reduced())
}

fn best_positions<T: Number>(rows: &Rows) -> Result<Vec<u32>> {
    let best = Best.rows(&rows.host::<T>()?);
    Ok(best.into_iter().map(|best| best.position as u32).collect())
}

/// Finds the first NaN of a row, or else the first of the largest.
pub(in crate::reduce) struct Best;

/// An element and where it lies in its row.
#[derive(Clone, Copy)]
pub(in crate::reduce) struct Found<S> {
    value: S,
    pub(in crate::reduce) position: usize,
}

impl<T: Number> Fold<T> for Best {
    type Part = Found<T::Sum>;

    fn block(&self, block: &[T], first: usize) -> Found<T::Sum> {
        let mut stage = [T::Sum::ZERO; LEAF];
        let mut best: Option<Found<T::Sum>> = None;
        for (leaf, source) in block.chunks(LEAF).enumerate() {
            let source = T::load(source, &mut stage);
            if best.is_some_and(|best| {
                best.value.is_nan() || !widest(AnyBeats { leaf: source, best: best.value })
            }) {
                continue;
            }
            let candidate = widest(Largest(source));
            if best.is_none_or(|best| beats(candidate, best.value)) {
                let within = position(source, candidate);
                best = Some(Found { value: candidate, position: first + leaf * LEAF + within });
            }
        }
        best.expect("a block has elements")
    }

    fn merge(&self, left: Found<T::Sum>, right: Found<T::Sum>) -> Found<T::Sum> {
        if beats(right.value, left.value) { right } else { left }
    }
}

/// Whether an element takes the place of one before it.
#[inline(always)]
fn beats<S: Accumulator>(later: S, earlier: S) -> bool {
    later > earlier || (later.is_nan() && !earlier.is_nan())
}

/// Where the first element is that equals one which is there, or is NaN as that is.
fn position<S: Accumulator>(leaf: &[S], wanted: S) -> usize {
    let equal = |x: &S| (*x == wanted) | (wanted.is_nan() & x.is_nan());
    let any = |chunk: &[S]| chunk.iter().fold(false, |any, x| any | equal(x));
    let chunk = leaf.chunks(LANES).position(any).expect("it is one of them");
    chunk * LANES + leaf[chunk * LANES..].iter().position(equal).expect("it is one of the chunk")
}

/// The maxima of the columns of a leaf, and an element of each that is NaN where there is one.
#[inline(always)]
fn columns<S: Accumulator>(leaf: &[S]) -> ([S; LANES], [S; LANES]) {
    let mut lanes = [leaf[0]; LANES];
    let mut unordered = [S::ZERO; LANES];
    let (chunks, tail) = leaf.as_chunks::<LANES>();
    for chunk in chunks {
        for ((lane, nan), &x) in lanes.iter_mut().zip(&mut unordered).zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
            *nan = if x.is_nan() { x } else { *nan };
        }
    }
    for ((lane, nan), &x) in lanes.iter_mut().zip(&mut unordered).zip(tail) {
        *lane = if x > *lane { x } else { *lane };
        *nan = if x.is_nan() { x } else { *nan };
    }
    (lanes, unordered)
}

/// Whether an element beats the best, or is NaN.
struct AnyBeats<'a, S> {
    leaf: &'a [S],
    best: S,
}

impl<S: Accumulator> WithSimd for AnyBeats<'_, S> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> bool {
        // What beats it is left in its lane: of NaN no number is said to be at most that.
        let mut lanes = [self.best; LANES];
        let (chunks, tail) = self.leaf.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = if x <= self.best { *lane } else { x };
            }
        }
        let beats = |any, &x: &S| any | (x > self.best) | x.is_nan();
        tail.iter().fold(lanes.iter().fold(false, beats), beats)
    }
}

/// A NaN, or else the largest. Of at least one element.
struct Largest<'a, S>(&'a [S]);

impl<S: Accumulator> WithSimd for Largest<'_, S> {
    type Output = S;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> S {
        let (lanes, unordered) = columns(self.0);
        let mut best = lanes[0];
        for (lane, nan) in lanes.into_iter().zip(unordered) {
            best = if beats(lane, best) { lane } else { best };
            best = if nan.is_nan() { nan } else { best };
        }
        best
    }
}
