//! On the host: the symmetric part, and what is left of the matrix; the answer.

use tilewright_core::{Result, Tensor};

use super::super::host::Real;

/// The mean with the transpose less `rtol` times `size` on the diagonal, over `size`, and the difference from the transpose over it.
pub(super) fn parts<T: Real>(x: &Tensor, size: &Tensor, rtol: f64, n: usize) -> Result<(Tensor, Tensor)> {
    let (x, size, shape) = (x.to_vec::<T>()?, size.to_vec::<T>()?, x.shape());
    let (half, by) = (T::ONE / T::from_count(2), T::from_f64(rtol));
    let (mut shifted, mut apart) = (vec![T::ZERO; x.len()], vec![T::ZERO; x.len()]);
    for (item, &size) in size.iter().enumerate() {
        let over = if size == T::ZERO { T::ONE } else { size };
        for e in 0..n * n {
            let (i, j, at) = (e / n, e % n, item * n * n);
            let (here, across) = (x[at + e] / over, x[at + j * n + i] / over);
            shifted[at + e] = (here + across) * half - if i == j { by } else { T::ZERO };
            apart[at + e] = here - across;
        }
    }
    Ok((Tensor::from_vec(shifted, shape)?, Tensor::from_vec(apart, shape)?))
}

/// The answer. `size` is a number above zero for a matrix that may be definite.
pub(super) fn decided<T: Real>(info: &Tensor, apart: &Tensor, size: &Tensor, rtol: f64) -> Result<Tensor> {
    let (apart, size, rtol) = (apart.to_vec::<T>()?, size.to_vec::<T>()?, T::from_f64(rtol));
    let measures = apart.into_iter().zip(size);
    let spd = info.to_vec::<i32>()?.into_iter().zip(measures).map(|(info, (apart, size))| {
        i32::from(info == 0 && apart <= rtol && size > T::ZERO && size.finite())
    });
    Tensor::from_vec(spd.collect::<Vec<_>>(), info.shape())
}
