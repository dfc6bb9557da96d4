//! Native path.

use tilewright_core::{Result, Stream, Tensor};

use crate::elementwise::leaves::{each, sigmoid};
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, Number, with_float};

pub(super) fn glu_bw(dy: &Tensor, a: &Tensor, b: &Tensor, silu: bool) -> Result<(Tensor, Tensor)> {
    with_float!(dy.dtype(), T => glu_bw_of::<T>(dy, a, b, silu))
}

fn glu_bw_of<T: Number<Sum: Real>>(
    dy: &Tensor,
    a: &Tensor,
    b: &Tensor,
    silu: bool,
) -> Result<(Tensor, Tensor)> {
    let fresh = || Tensor::empty(&Stream::cpu(), T::DTYPE, dy.shape());
    let (mut da, mut db) = (fresh()?, fresh()?);
    let (dy, a, b) = (dy.to_host()?, a.to_host()?, b.to_host()?);
    let inputs = [dy.as_slice::<T>()?, a.as_slice::<T>()?, b.as_slice::<T>()?];
    let outputs = [da.as_slice_mut::<T>()?, db.as_slice_mut::<T>()?];
    match silu {
        true => each(inputs, outputs, |[dy, a, b]| {
            let (open, shut) = (sigmoid(a), sigmoid(T::Sum::ZERO.minus(a)));
            [dy * b * (open * T::Sum::ONE.plus(a * shut)), dy * (a * open)]
        }),
        false => each(inputs, outputs, |[dy, a, b]| {
            let (open, shut) = (sigmoid(a), sigmoid(T::Sum::ZERO.minus(a)));
            [dy * b * (open * shut), dy * open]
        }),
    }
    Ok((da, db))
}
