//! On the host: where the iteration starts.

use tilewright_core::{Result, Tensor};

use super::super::host::Real;

/// `x` over `size`, one number for each matrix, or over 1 where that is 0, and so much of `noise`, of one matrix; NaN where `size` is no number.
pub(super) fn start<T: Real>(x: &Tensor, size: &Tensor, noise: &Tensor, by: f64) -> Result<Tensor> {
    let (mut values, size, noise) = (x.to_vec::<T>()?, size.to_vec::<T>()?, noise.to_vec::<T>()?);
    let by = T::from_f64(by);
    for (values, &size) in values.chunks_exact_mut(noise.len()).zip(&size) {
        let over = if size == T::ZERO { T::ONE } else { size };
        let number = if size.finite() { T::ZERO } else { T::NAN };
        values.iter_mut().zip(&noise).for_each(|(x, &noise)| *x = *x / over + (by * noise + number));
    }
    Tensor::from_vec(values, x.shape())
}
