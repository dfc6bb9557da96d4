//! Native path: token by token, all channels at once, so that loops run along memory.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor};

use super::{CausalConvInputs, Extents};
use crate::parallel::Each;
use crate::reduce::exp::Real;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};

/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 14;

pub(super) fn causal_conv(extents: &Extents, inputs: &CausalConvInputs<'_>) -> Result<Tensor> {
    with_float!(inputs.x.dtype(), T => filtered::<T>(extents, inputs))
}

/// All elements of a tensor in the type that accumulates.
pub(in crate::conv) fn widened<T: Number>(tensor: &Tensor) -> Result<Vec<T::Sum>> {
    let host = tensor.to_host()?;
    let mut all = Vec::with_capacity(tensor.elements());
    let mut stage = [T::Sum::ZERO; LEAF];
    for leaf in host.as_slice::<T>()?.chunks(LEAF) {
        all.extend_from_slice(T::load(leaf, &mut stage));
    }
    Ok(all)
}

/// Weights `[d, w]` as `[w, d]`, tap by tap.
pub(in crate::conv) fn taps<T: Number>(weight: &Tensor) -> Result<Vec<T::Sum>> {
    widened::<T>(&weight.transpose()?)
}

fn filtered<T: Number<Sum: Real>>(e: &Extents, inputs: &CausalConvInputs<'_>) -> Result<Tensor> {
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, inputs.x.shape())?;
    if out.is_empty() {
        return Ok(out);
    }
    let (x, taps) = (inputs.x.to_host()?, taps::<T>(inputs.weight)?);
    let bias = inputs.bias.map(widened::<T>).transpose()?;
    let state = inputs.state.map(Tensor::to_host).transpose()?;
    let (x, state) = (x.as_slice::<T>()?, state.as_ref().map(|state| state.as_slice::<T>()).transpose()?);
    let (d, history) = (e.d, e.w - 1);
    let rows = out.as_slice_mut::<T>()?.par_chunks_mut(d).enumerate().with_min_len((TASK / d).max(1));
    rows.each(&|(row, out)| {
        let (text, t) = (row / e.s, row % e.s);
        for start in (0..d).step_by(LEAF) {
            let channels = start..d.min(start + LEAF);
            let mut stage = [T::Sum::ZERO; LEAF];
            T::store(&mut out[channels.clone()], |out| {
                out.fill(T::Sum::ZERO);
                for k in 0..e.w {
                    // The token that this tap sees, counted from the oldest of the state.
                    let seen = match (t + k).checked_sub(history) {
                        Some(token) => &x[(text * e.s + token) * d..][..d],
                        None => match state {
                            Some(state) => &state[(text * history + t + k) * d..][..d],
                            None => continue,
                        },
                    };
                    let seen = T::load(&seen[channels.clone()], &mut stage);
                    let tap = &taps[k * d..][channels.clone()];
                    Arch::new().dispatch(Add { out, seen, tap });
                }
                if let Some(bias) = &bias {
                    for (out, &bias) in out.iter_mut().zip(&bias[channels.clone()]) {
                        *out = out.plus(bias);
                    }
                }
            });
        }
    });
    Ok(out)
}

/// `out += seen tap`.
pub(in crate::conv) struct Add<'a, S> {
    pub(in crate::conv) out: &'a mut [S],
    pub(in crate::conv) seen: &'a [S],
    pub(in crate::conv) tap: &'a [S],
}

impl<S: Real> WithSimd for Add<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        for ((out, &seen), &tap) in self.out.iter_mut().zip(self.seen).zip(self.tap) {
            *out = out.plus(seen * tap);
        }
    }
}
