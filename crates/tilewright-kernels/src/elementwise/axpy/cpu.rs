//! Native path.

use tilewright_core::{Element, Result, Stream, Tensor};

use crate::elementwise::leaves::each;
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, Number, with_float};

pub(super) fn axpy(x: &Tensor, y: &Tensor, alpha: f64) -> Result<Tensor> {
    with_float!(x.dtype(), T => axpy_of::<T>(x, y, alpha))
}

fn axpy_of<T: Number<Sum: Real>>(x: &Tensor, y: &Tensor, alpha: f64) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, x.shape())?;
    let (x, y, alpha) = (x.to_host()?, y.to_host()?, T::Sum::from_f64(alpha));
    each([x.as_slice::<T>()?, y.as_slice::<T>()?], [out.as_slice_mut::<T>()?], move |[x, y]| {
        [(alpha * x).plus(y)]
    });
    Ok(out)
}
