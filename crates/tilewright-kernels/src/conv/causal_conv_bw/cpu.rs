//! Native path: dx and the gradient of the state token by token; the gradients of weights and bias by blocks of tokens.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor};

use super::CausalConvGradients;
use crate::conv::block;
use crate::conv::causal_conv::{Add, CausalConvInputs, Extents, taps, widened};
use crate::parallel::Each;
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};

/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 14;

pub(super) fn causal_conv_bw(
    e: &Extents,
    dy: &Tensor,
    inputs: &CausalConvInputs<'_>,
) -> Result<CausalConvGradients> {
    with_float!(dy.dtype(), T => gradients::<T>(e, dy, inputs))
}

fn gradients<T: Number<Sum: Real>>(
    e: &Extents,
    dy: &Tensor,
    inputs: &CausalConvInputs<'_>,
) -> Result<CausalConvGradients> {
    let fresh = |shape: &[usize]| Tensor::empty(&Stream::cpu(), T::DTYPE, shape);
    let (mut dx, mut weight, mut bias) = (fresh(dy.dims())?, fresh(&[e.d, e.w])?, fresh(&[e.d])?);
    let mut dstate = inputs.state.map(|state| Tensor::zeros(T::DTYPE, state.dims())).transpose()?;
    let (d, history) = (e.d, e.w - 1);
    // By tap, then the bias: [w + 1, d].
    let mut total = vec![T::Sum::ZERO; (e.w + 1) * d];
    if !dx.is_empty() {
        let (dy, x, taps) = (widened::<T>(dy)?, widened::<T>(inputs.x)?, taps::<T>(inputs.weight)?);
        let state = inputs.state.map(widened::<T>).transpose()?;
        let rows = dx.as_slice_mut::<T>()?.par_chunks_mut(d).enumerate().with_min_len((TASK / d).max(1));
        rows.each(&|(row, out)| {
            let mut sum = vec![T::Sum::ZERO; d];
            for k in 0..e.w {
                let later = history - k;
                if row % e.s + later < e.s {
                    let (seen, tap) = (&dy[(row + later) * d..][..d], &taps[k * d..][..d]);
                    Arch::new().dispatch(Add { out: &mut sum, seen, tap });
                }
            }
            narrowed(&sum, out);
        });
        if let Some(dstate) = &mut dstate {
            let places = dstate.as_slice_mut::<T>()?.par_chunks_mut(d).enumerate();
            places.with_min_len((TASK / d).max(1)).each(&|(place, out)| {
                let (text, token) = (place / history, place % history);
                let mut sum = vec![T::Sum::ZERO; d];
                for k in 0..=token {
                    // The token of the text that saw it by this tap.
                    let t = token - k;
                    if t < e.s {
                        let (seen, tap) = (&dy[(text * e.s + t) * d..][..d], &taps[k * d..][..d]);
                        Arch::new().dispatch(Add { out: &mut sum, seen, tap });
                    }
                }
                narrowed(&sum, out);
            });
        }
        let parts = dy.par_chunks(block(e.b * e.s) * d).enumerate().map(|(part, dy)| {
            let mut sums = vec![T::Sum::ZERO; (e.w + 1) * d];
            for (index, dy) in dy.chunks_exact(d).enumerate() {
                let row = part * block(e.b * e.s) + index;
                let (text, t) = (row / e.s, row % e.s);
                let (by_taps, by_bias) = sums.split_at_mut(e.w * d);
                for (k, sums) in by_taps.chunks_exact_mut(d).enumerate() {
                    let seen = match ((t + k).checked_sub(history), &state) {
                        (Some(token), _) => &x[(text * e.s + token) * d..][..d],
                        (None, Some(state)) => &state[(text * history + t + k) * d..][..d],
                        (None, None) => continue,
                    };
                    Arch::new().dispatch(Add { out: sums, seen, tap: dy });
                }
                for (sum, &dy) in by_bias.iter_mut().zip(dy) {
                    *sum = sum.plus(dy);
                }
            }
            sums
        });
        // In the order of the blocks, whatever thread had them.
        for part in parts.collect::<Vec<_>>() {
            for (total, part) in total.iter_mut().zip(part) {
                *total = total.plus(part);
            }
        }
    }
    let by_channel: Vec<T::Sum> =
        (0..d).flat_map(|j| (0..e.w).map(move |k| k * d + j)).map(|at| total[at]).collect();
    narrowed(&by_channel, weight.as_slice_mut::<T>()?);
    narrowed(&total[e.w * d..], bias.as_slice_mut::<T>()?);
    Ok(CausalConvGradients { x: dx, weight, bias, state: dstate })
}

fn narrowed<T: Number>(source: &[T::Sum], target: &mut [T]) {
    for (source, target) in source.chunks(LEAF).zip(target.chunks_mut(LEAF)) {
        T::store(target, |target| target.copy_from_slice(source));
    }
}
