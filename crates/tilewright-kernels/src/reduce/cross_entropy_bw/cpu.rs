//! Native path: `logsumexp`'s pass, then the gradient, leaf by leaf.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Element, Result, Tensor};

use super::NAME;
use crate::parallel::Each;
use crate::reduce::cross_entropy::targets;
use crate::reduce::exp::Real;
use crate::reduce::fold::Fold;
use crate::reduce::logsumexp::cpu::Exponentials;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};
use crate::reduce::rows::Rows;

/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 14;

pub(super) fn cross_entropy_bw(rows: &Rows, dloss: &Tensor, target: &Tensor) -> Result<Tensor> {
    with_float!(rows.x.dtype(), T => gradient::<T>(rows, dloss, target))
}

fn gradient<T: Number<Sum: Real>>(rows: &Rows, dloss: &Tensor, target: &Tensor) -> Result<Tensor> {
    let targets = targets(NAME, rows, target)?;
    let mut out = rows.fresh()?;
    if out.is_empty() {
        return Ok(out);
    }
    let dloss = dloss.to_vec::<T::Sum>()?;
    let host = rows.host::<T>()?;
    let each =
        out.as_slice_mut::<T>()?.par_chunks_mut(rows.n).enumerate().with_min_len((TASK / rows.n).max(1));
    each.each(&|(index, out)| {
        let Ok(target) = usize::try_from(targets[index]) else {
            return out.fill(T::zeroed());
        };
        let row = host.row(index);
        let whole = Exponentials.row(row);
        // 1 / inf would leave 0 beside NaN where the row has +inf; all of such a row is undefined.
        let sum = if whole.sum.is_finite() && whole.max.is_finite() { whole.sum } else { T::Sum::NAN };
        let (shift, scale) = (whole.max, dloss[index] / sum);
        for (leaf, (row, out)) in row.chunks(LEAF).zip(out.chunks_mut(LEAF)).enumerate() {
            let mut stage = [T::Sum::ZERO; LEAF];
            let row = T::load(row, &mut stage);
            T::store(out, |out| {
                Arch::new().dispatch(Shares { row, out, shift, scale });
                if let Some(hit) = target.checked_sub(leaf * LEAF).and_then(|at| out.get_mut(at)) {
                    // The probability less 1, before it is multiplied: where it is near 1 only their difference counts.
                    let p = row[target - leaf * LEAF].minus(shift).exp() / sum;
                    *hit = p.minus(T::Sum::from_f64(1.0)) * dloss[index];
                }
            });
        }
    });
    Ok(out)
}

struct Shares<'a, S> {
    row: &'a [S],
    out: &'a mut [S],
    shift: S,
    scale: S,
}

impl<S: Real> WithSimd for Shares<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for (out, &x) in self.out.iter_mut().zip(self.row) {
            *out = x.minus(self.shift).exp() * self.scale;
        }
    }
}
