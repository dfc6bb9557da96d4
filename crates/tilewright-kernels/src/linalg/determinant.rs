//! Determinants on the host, from the factors of an elimination.

use tilewright_core::{DType, Result, Tensor};

use super::host::Real;
use super::lu::LuFactors;

/// Whether a permutation is the product of an odd number of exchanges.
fn is_odd(permutation: &[i32]) -> bool {
    let mut seen = vec![false; permutation.len()];
    let mut cycles = 0;
    for start in 0..permutation.len() {
        let mut at = start;
        cycles += usize::from(!seen[start]);
        while !seen[at] {
            seen[at] = true;
            at = permutation[at] as usize;
        }
    }
    !(permutation.len() - cycles).is_multiple_of(2)
}

/// `each` of the factors of every matrix, n x n: of the sign of the permutation and of u's diagonal.
pub(super) fn of_each<T: Real, R>(
    factors: &LuFactors,
    n: usize,
    each: impl Fn(T, &mut dyn Iterator<Item = T>) -> R,
) -> Result<Vec<R>> {
    let (lu, permutation) = (factors.lu.as_slice::<T>()?, factors.permutation.as_slice::<i32>()?);
    let items = lu.chunks(n * n).zip(permutation.chunks(n)).map(|(lu, permutation)| {
        let sign = if is_odd(permutation) { -T::ONE } else { T::ONE };
        each(sign, &mut lu.iter().step_by(n + 1).copied())
    });
    Ok(items.collect())
}

/// A scalar for each matrix of a batch of empty ones, whose determinant is 1.
pub(super) fn of_empty(value: f64, dtype: DType, batch: &[usize]) -> Result<Tensor> {
    Tensor::from_f64(&vec![value; batch.iter().product()], dtype, batch)
}
