//! Native path: the element that `argmax` finds.

use tilewright_core::{Result, Tensor};

use crate::reduce::argmax::cpu::Best;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Number, with_number};
use crate::reduce::rows::Rows;

pub(super) fn max(rows: &Rows) -> Result<Tensor> {
    with_number!(rows.x.dtype(), T => largest::<T>(rows))
}

fn largest<T: Number>(rows: &Rows) -> Result<Tensor> {
    let largest = rows.host::<T>()?.map(|row| row[Best.row(row).position]);
    Tensor::from_vec(largest, rows.reduced())
}
