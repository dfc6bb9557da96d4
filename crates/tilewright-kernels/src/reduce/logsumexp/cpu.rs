//! Native path: per leaf the maximum, then the exponentials relative to the running one.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{Result, Tensor};

use crate::reduce::exp::Real;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};
use crate::reduce::rows::Rows;
use crate::reduce::sum::cpu::folded;

/// Maxima, and sums, that a leaf keeps side by side.
const LANES: usize = 32;

pub(super) fn logsumexp(rows: &Rows) -> Result<Tensor> {
    with_float!(rows.x.dtype(), T => logarithms::<T>(rows))
}

fn logarithms<T: Number<Sum: Real>>(rows: &Rows) -> Result<Tensor> {
    let host = rows.host::<T>()?;
    let logarithms: Vec<T> = match rows.n {
        0 => vec![T::round(T::Sum::LOWEST); rows.rows],
        _ => {
            Exponentials.rows(&host).into_iter().map(|part| T::round(part.max.plus(part.sum.ln()))).collect()
        }
    };
    Tensor::from_vec(logarithms, rows.reduced())
}

/// The largest of a stretch, and the sum of exponentials relative to it.
#[derive(Clone, Copy)]
pub(in crate::reduce) struct Partial<S> {
    /// NaN is passed over here; it shows in the sum.
    pub(in crate::reduce) max: S,
    pub(in crate::reduce) sum: S,
}

impl<S: Real> Partial<S> {
    /// The sum relative to `max`, which is not below this part's.
    fn relative_to(self, max: S) -> S {
        // Equal infinities differ by NaN.
        if self.max == max { self.sum } else { self.sum * self.max.minus(max).exp() }
    }

    fn merge(self, other: Self) -> Self {
        let max = self.max.larger(other.max);
        Partial { max, sum: self.relative_to(max).plus(other.relative_to(max)) }
    }
}

/// Reduces to a [`Partial`].
pub(in crate::reduce) struct Exponentials;

impl<T: Number<Sum: Real>> Fold<T> for Exponentials {
    type Part = Partial<T::Sum>;

    fn block(&self, block: &[T], _: usize) -> Partial<T::Sum> {
        let mut stage = [T::Sum::ZERO; LEAF];
        let leaves = block.chunks(LEAF).map(|source| Arch::new().dispatch(Leaf(T::load(source, &mut stage))));
        leaves.reduce(Partial::merge).expect("a block has elements")
    }

    fn merge(&self, left: Partial<T::Sum>, right: Partial<T::Sum>) -> Partial<T::Sum> {
        left.merge(right)
    }
}

struct Leaf<'a, S>(&'a [S]);

impl<S: Real> WithSimd for Leaf<'_, S> {
    type Output = Partial<S>;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> Partial<S> {
        let (chunks, tail) = self.0.as_chunks::<LANES>();
        let mut lanes = [S::LOWEST; LANES];
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = lane.larger(x);
            }
        }
        let max = lanes.iter().chain(tail).fold(S::LOWEST, |max, &x| max.larger(x));
        // Relative to an infinite maximum every exponential would be NaN: 0 gives 0 for -inf and inf for +inf.
        let shift = if max.is_finite() { max } else { S::ZERO };
        let mut lanes = [S::ZERO; LANES];
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane = lane.plus(x.minus(shift).exp());
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(tail) {
            *lane = lane.plus(x.minus(shift).exp());
        }
        Partial { max, sum: folded(lanes, S::plus) }
    }
}
