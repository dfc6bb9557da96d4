//! On the host: residuals of twice the digits, and what becomes of corrections.

use rayon::prelude::*;
use tilewright_core::{DType, Result, Tensor};

use super::super::host::Real;
use super::{Progress, Scales};
use crate::parallel::Each;

/// The numbers, rows of which belong to one of `size` each, over it, or over 1 where it is 0, as `low`.
pub(super) fn over(of: &Tensor, size: &Tensor, low: DType) -> Result<Tensor> {
    let (mut values, size) = (of.to_f64_vec()?, size.to_f64_vec()?);
    let each = values.len() / size.len();
    for (values, size) in values.chunks_exact_mut(each).zip(size) {
        let size = if size == 0.0 { 1.0 } else { size };
        values.iter_mut().for_each(|value| *value /= size);
    }
    Tensor::from_f64(&values, low, of.shape())
}

/// A number as the sum of two, of which the low one is at most half a unit in the last place of the high one; sums of products in it.
struct Twofold<T> {
    high: T,
    low: T,
}

impl<T: Real> Twofold<T> {
    /// Less a product, off by a few roundings of roundings.
    #[inline(always)]
    fn less(self, a: T, b: T) -> Self {
        // The error of the product, and that of the sum (Knuth), are numbers.
        let product = a * b;
        let error = product.minus_product(a, b);
        let sum = self.high - product;
        let of_product = sum - self.high;
        let lost = (self.high - (sum - of_product)) + (-product - of_product);
        Twofold { high: sum, low: self.low + (lost + error) }
    }
}

/// `b - a x` for rows x and b, in the order of the elimination, rounded once.
pub(super) fn residual<T: Real>(a: &Tensor, x: &Tensor, b: &Tensor, permutation: &Tensor) -> Result<Tensor> {
    let (a_all, x_all, b_all) = (a.as_slice::<T>()?, x.to_vec::<T>()?, b.to_vec::<T>()?);
    let order = permutation.to_vec::<i32>()?;
    let &[.., k, n] = x.dims() else { unreachable!("solutions are rows") };
    let mut out = vec![T::ZERO; x_all.len()];
    out.par_chunks_mut(n).enumerate().with_min_len((1 << 14) / (n * n) + 1).each(&|(column, out)| {
        let item = column / k;
        let (x, b) = (&x_all[column * n..][..n], &b_all[column * n..][..n]);
        for (out, &row) in out.iter_mut().zip(&order[item * n..]) {
            let row = row as usize;
            let a = &a_all[(item * n + row) * n..][..n];
            let start = Twofold { high: b[row], low: T::ZERO };
            let sum = a.iter().zip(x).fold(start, |sum, (&a, &x)| sum.less(a, x));
            *out = sum.high + sum.low;
        }
    });
    Tensor::from_vec(out, x.shape())
}

/// The solutions with the corrections that are taken, and where their columns stand then.
pub(super) fn advanced<T: Real, L: Real>(
    x: &Tensor,
    d: &Tensor,
    scales: &Scales<'_>,
    progress: &Progress,
) -> Result<(Tensor, Progress)> {
    let &[ref columns @ .., k, n] = x.dims() else { unreachable!("solutions are rows") };
    let (mut values, d) = (x.to_vec::<T>()?, d.to_vec::<L>()?);
    let (left, size) = (scales.left.to_vec::<T>()?, scales.size.to_vec::<T>()?);
    let (of_d, of_x) = (scales.d.to_vec::<L>()?, scales.x.to_vec::<T>()?);
    let mut last = progress.last.to_vec::<T>()?;
    let (mut state, mut count) = (progress.state.to_vec::<i32>()?, progress.count.to_vec::<i32>()?);
    for (column, values) in values.chunks_exact_mut(n).enumerate() {
        let over = size[column / k];
        let (left, over) = (left[column], if over == T::ZERO { T::ONE } else { over });
        let scaled = |d: L| T::from_f64(d.to_f64()) / over * left;
        let correction = scaled(of_d[column]);
        let is_rounding = correction <= T::EPSILON * of_x[column];
        if state[column] != 0 {
            continue;
        }
        // A NaN is neither.
        if !(is_rounding || correction <= last[column] / T::from_count(2)) {
            state[column] = 2;
            if count[column] == 0 {
                values.fill(T::NAN);
            }
            continue;
        }
        for (x, &d) in values.iter_mut().zip(&d[column * n..]) {
            *x += scaled(d);
        }
        last[column] = correction;
        count[column] += 1;
        state[column] = i32::from(is_rounding);
    }
    let columns = [columns, &[k]].concat();
    let progress = Progress {
        last: Tensor::from_vec(last, &columns[..])?,
        state: Tensor::from_vec(state, &columns[..])?,
        count: Tensor::from_vec(count, &columns[..])?,
    };
    Ok((Tensor::from_vec(values, x.shape())?, progress))
}

/// What is told of each system: its info, and how often it was solved.
pub(super) fn ended(factors: &Tensor, progress: &Progress, n: usize) -> Result<(Tensor, Tensor)> {
    let (state, count) = (progress.state.to_vec::<i32>()?, progress.count.to_vec::<i32>()?);
    let factor_info = factors.to_vec::<i32>()?;
    let k = state.len() / factor_info.len();
    let told = factor_info.into_iter().zip(state.chunks_exact(k)).zip(count.chunks_exact(k));
    let (info, iterations): (Vec<i32>, Vec<i32>) = told
        .map(|((info, state), count)| match info {
            0 => {
                let refined = state.iter().all(|&state| state == 1);
                let most = count.iter().copied().max().unwrap_or(0);
                (if refined { 0 } else { n as i32 + 1 }, most)
            }
            info => (info, 0),
        })
        .unzip();
    Ok((Tensor::from_vec(info, factors.shape())?, Tensor::from_vec(iterations, factors.shape())?))
}
