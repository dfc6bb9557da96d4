//! On the host: columns to their places.

use tilewright_core::{Result, Tensor};

use super::super::host::Real;
use super::Parts;

/// The given columns that are not zeros, and those of q for the others.
pub(super) fn placed<T: Real>(parts: &Parts<'_>) -> Result<Tensor> {
    let (m, k) = (parts.m, parts.k);
    let (given, q, r) = (parts.given.to_vec::<T>()?, parts.q.to_vec::<T>()?, parts.r.to_vec::<T>()?);
    let permutation = parts.permutation.to_vec::<i32>()?;
    let half = T::ONE / T::from_count(2);
    let mut out = q.clone();
    for (item, permutation) in permutation.chunks_exact(k).enumerate() {
        for (p, &column) in permutation.iter().enumerate() {
            let column = column as usize;
            // A column is of length 1 or 0.
            let known = r[(item * m + p) * k + p].magnitude() > half;
            for i in item * m..(item + 1) * m {
                out[i * m + column] = if known { given[i * k + column] } else { q[i * m + p] };
            }
        }
    }
    Tensor::from_vec(out, parts.q.shape())
}
