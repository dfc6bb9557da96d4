//! On the host: two numbers of each matrix made one.

use tilewright_core::{Result, Tensor};

use super::super::host::Real;
use super::Join;

/// `x` and `y` joined; `info` is not 0 where `y` is of a singular matrix.
pub(super) fn joined<T: Real>(x: &Tensor, y: &Tensor, info: &Tensor, how: Join) -> Result<Tensor> {
    let dims = info.dims();
    let (x, y, info) = (x.to_vec::<T>()?, y.to_vec::<T>()?, info.to_vec::<i32>()?);
    let one = |((&x, &y), &singular): ((&T, &T), &i32)| match how {
        Join::Ratio if y == T::ZERO => T::ONE / T::ZERO,
        Join::Ratio => x / y,
        Join::Inverse if y == T::ZERO => T::ZERO,
        Join::Inverse => y / x,
        Join::Product if singular != 0 && x.partial_cmp(&x).is_some() => T::ONE / T::ZERO,
        Join::Product => x * y,
    };
    Tensor::from_vec::<T>(x.iter().zip(&y).zip(&info).map(one).collect(), dims)
}
