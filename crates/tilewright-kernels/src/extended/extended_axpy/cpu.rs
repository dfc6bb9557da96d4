//! On the host.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::extended::number::{Number, Twofold, plus, times};
use crate::extended::{Operand, Pair, pair};
use crate::parallel::Each;

pub(super) fn axpy<T: Number>(x: Operand<'_>, y: Operand<'_>, alpha: f64) -> Result<Pair> {
    let high = T::rounded(alpha);
    let alpha = Twofold { high, low: T::rounded(alpha - high.exact()) };
    let numbers = |tensor: Option<&Tensor>| tensor.map_or(Ok(Vec::new()), |tensor| tensor.to_vec::<T>());
    let (a, a_low, b, b_low) =
        (numbers(Some(x.high))?, numbers(x.low)?, numbers(Some(y.high))?, numbers(y.low)?);
    let at = |high: &[T], low: &[T], i: usize| Twofold {
        high: high[i],
        low: low.get(i).copied().unwrap_or(T::ZERO),
    };
    let value = |i| plus(times(alpha, at(&a, &a_low, i)), at(&b, &b_low, i));
    let numbers: Vec<_> = (0..a.len()).into_par_iter().with_min_len(4096).each_made(&value).collect();
    pair(&numbers, x.high.dims())
}
