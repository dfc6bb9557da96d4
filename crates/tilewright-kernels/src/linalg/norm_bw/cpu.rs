//! On the host: rows side by side.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::super::host::Real;
use super::super::norm::Fold;
use super::Rule;
use crate::parallel::Each;

/// Each element of `x`, `[.., n]`; it has elements.
pub(super) fn each<T: Real>(
    x: &Tensor,
    y: &Tensor,
    dy: &Tensor,
    ties: &Tensor,
    rule: Rule,
) -> Result<Tensor> {
    let n = x.dims()[x.rank() - 1];
    let (mut out, y, dy, ties) = (x.to_vec::<T>()?, y.to_vec::<T>()?, dy.to_vec::<T>()?, ties.to_vec::<T>()?);
    out.par_chunks_mut(n).enumerate().with_min_len((4096 / n).max(1)).each(&|(row, x)| {
        x.iter_mut().for_each(|x| *x = one(*x, y[row], dy[row], ties[row], rule));
    });
    Tensor::from_vec(out, x.shape())
}

fn one<T: Real>(x: T, y: T, dy: T, ties: T, rule: Rule) -> T {
    let fold = match rule {
        Rule::Equal if x.magnitude() == y => return T::ONE,
        Rule::Equal => return T::ZERO,
        Rule::Gradient(fold) => fold,
    };
    // 0 of 0, and NaN of NaN.
    let signed = |size: T| {
        if x > T::ZERO {
            size
        } else if x < T::ZERO {
            -size
        } else {
            x
        }
    };
    match fold {
        Fold::Count => T::ZERO,
        Fold::Sum => signed(dy),
        Fold::Root if y == T::ZERO => T::ZERO,
        Fold::Root => x / y * dy,
        Fold::Power(_) if x == T::ZERO || y == T::ZERO => T::ZERO,
        Fold::Power(p) => signed((x.magnitude() / y).power(p - 1.0) * dy),
        Fold::Largest | Fold::Smallest if x.magnitude() == y => signed(dy / ties),
        // Of a row with a NaN that is what it folds to.
        Fold::Largest | Fold::Smallest => {
            if y.partial_cmp(&y).is_none() {
                y
            } else {
                T::ZERO
            }
        }
    }
}
