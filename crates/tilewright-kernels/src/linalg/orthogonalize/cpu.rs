//! On the host: matrices over their norms.

use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::convert::narrowed;
use super::super::host::Real;

/// `x` over `size`, one number for each matrix, in `dtype`; over 1 where that is 0.
pub(super) fn divided<T: Real>(x: &Tensor, size: &Tensor, dtype: DType) -> Result<Tensor> {
    let (mut values, size) = (x.to_vec::<T>()?, size.to_vec::<T>()?);
    let elements = values.len() / size.len();
    for (values, &size) in values.chunks_exact_mut(elements).zip(&size) {
        let size = if size == T::ZERO { T::ONE } else { size };
        values.iter_mut().for_each(|x| *x /= size);
    }
    narrowed(&Stream::cpu(), Tensor::from_vec(values, x.shape())?, dtype)
}
