//! Native path: `logsumexp`'s pass, then one element of each row.

use tilewright_core::{Result, Tensor};

use super::{NAME, targets};
use crate::reduce::exp::Real;
use crate::reduce::fold::Fold;
use crate::reduce::logsumexp::cpu::Exponentials;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};
use crate::reduce::rows::Rows;

pub(super) fn cross_entropy(rows: &Rows, target: &Tensor) -> Result<Tensor> {
    with_float!(rows.x.dtype(), T => losses::<T>(rows, target))
}

fn losses<T: Number<Sum: Real>>(rows: &Rows, target: &Tensor) -> Result<Tensor> {
    let targets = targets(NAME, rows, target)?;
    if rows.n == 0 {
        // Targets below 0 alone have passed.
        return Tensor::from_vec(vec![T::Sum::ZERO; rows.rows], rows.reduced());
    }
    let host = rows.host::<T>()?;
    let wholes = Exponentials.rows(&host);
    let losses =
        targets.iter().zip(wholes).enumerate().map(|(row, (&target, whole))| match usize::try_from(target) {
            Err(_) => T::Sum::ZERO,
            Ok(_) if !whole.max.is_finite() => T::Sum::NAN,
            Ok(target) => {
                let mut stage = [T::Sum::ZERO; LEAF];
                let logit = T::load(&host.row(row)[target..=target], &mut stage)[0];
                whole.max.minus(logit).plus(whole.sum.ln())
            }
        });
    Tensor::from_vec(losses.collect(), rows.reduced())
}
