//! Native path: `logsumexp`'s pass for the maximum and the sum, then the quotients, leaf by leaf.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::parallel::Each;
use crate::reduce::exp::Real;
use crate::reduce::fold::Fold;
use crate::reduce::logsumexp::cpu::Exponentials;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};
use crate::reduce::rows::Rows;

/// Elements of a row that one thread writes at a time.
const BLOCK: usize = 1 << 15;

pub(super) fn softmax(rows: &Rows) -> Result<Tensor> {
    with_float!(rows.x.dtype(), T => quotients::<T>(rows))
}

fn quotients<T: Number<Sum: Real>>(rows: &Rows) -> Result<Tensor> {
    let mut out = rows.fresh()?;
    rows.host::<T>()?.zip(out.as_slice_mut::<T>()?, |row, out| {
        let whole = Exponentials.row(row);
        // 1 / inf would leave 0 beside NaN where the row has +inf; all of such a row is undefined.
        let sum = if whole.sum.is_finite() { whole.sum } else { T::Sum::NAN };
        let (shift, scale) = (whole.max, T::Sum::ONE / sum);
        row.par_chunks(BLOCK).zip(out.par_chunks_mut(BLOCK)).each(&|(row, out)| {
            for (row, out) in row.chunks(LEAF).zip(out.chunks_mut(LEAF)) {
                leaf(row, out, shift, scale);
            }
        });
    });
    Ok(out)
}

fn leaf<T: Number<Sum: Real>>(row: &[T], out: &mut [T], shift: T::Sum, scale: T::Sum) {
    let mut stage = [T::Sum::ZERO; LEAF];
    let row = T::load(row, &mut stage);
    T::store(out, |out| Arch::new().dispatch(Quotients { row, out, shift, scale }));
}

struct Quotients<'a, S> {
    row: &'a [S],
    out: &'a mut [S],
    shift: S,
    scale: S,
}

impl<S: Real> WithSimd for Quotients<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (out, &x) in self.out.iter_mut().zip(self.row) {
            *out = x.minus(self.shift).exp() * self.scale;
        }
    }
}
