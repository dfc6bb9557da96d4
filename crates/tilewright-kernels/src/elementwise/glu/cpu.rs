//! Native path.

use tilewright_core::{Result, Stream, Tensor};

use crate::elementwise::leaves::{each, sigmoid};
use crate::reduce::exp::Real;
use crate::reduce::number::{Number, with_float};

pub(super) fn glu(a: &Tensor, b: &Tensor, silu: bool) -> Result<Tensor> {
    with_float!(a.dtype(), T => glu_of::<T>(a, b, silu))
}

fn glu_of<T: Number<Sum: Real>>(a: &Tensor, b: &Tensor, silu: bool) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, a.shape())?;
    let (a, b) = (a.to_host()?, b.to_host()?);
    let (inputs, output) = ([a.as_slice::<T>()?, b.as_slice::<T>()?], [out.as_slice_mut::<T>()?]);
    match silu {
        true => each(inputs, output, |[a, b]| [a * sigmoid(a) * b]),
        false => each(inputs, output, |[a, b]| [sigmoid(a) * b]),
    }
    Ok(out)
}
