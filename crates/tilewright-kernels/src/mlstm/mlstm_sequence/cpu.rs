//! Native path: one task a sequence; C stays in the cache between tokens and is passed over once for each. C of bf16 is widened and rounded row by row
//! where there is one token, and kept as sums from the first token to the last where there are more.

use rayon::prelude::*;
use tilewright_core::{DType, Element, Result, Stream, Tensor, bf16, f16};

use crate::host::packed;
use crate::mlstm::cell::Sizes;
use crate::mlstm::gates::{logs, readout, stabiliser};
use crate::mlstm::lanes::Machine;
use crate::mlstm::rows::{Data, Rows, is_sum, own};
use crate::mlstm::vectors::{absorb, absorb_stored, dot, gate_by, scale};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};
use crate::parallel::Each;
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_sequence(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let rounded = state.is_some_and(|state| state.c.dtype() == DType::Bf16);
    let run = match (x.q.dtype(), rounded) {
        (DType::F64, _) => run::<f64, f64>,
        (DType::F32, false) => run::<f32, f32>,
        (DType::F32, true) => run::<f32, bf16>,
        (DType::F16, false) => run::<f16, f32>,
        (DType::F16, true) => run::<f16, bf16>,
        (_, false) => run::<bf16, f32>,
        (_, true) => run::<bf16, bf16>,
    };
    run(sizes, x, state, cell)
}

fn run<T: Data, C: Data<Sum = T::Sum>>(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let Sizes { s, dqk, dv, .. } = *sizes;
    let (q, k, v) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let o = x.o.map(Rows::<T>::new).transpose()?;
    let mut outputs = Outputs::new::<T, C>(sizes, state)?;
    let (machine, factor) = (Machine::here(), T::Sum::from_f64(cell.scale(dqk)));
    // One token's rows of C are rounded as they come.
    let by_row = s == 1 && !is_sum::<C>();
    let held = if s > 1 && !is_sum::<C>() { dqk * dv } else { 0 };
    outputs.for_each::<T, C>(sizes, |head, Head { h, c, n, m }| {
        let zero = T::Sum::ZERO;
        let mut held = vec![zero; held];
        C::widen(&c[..held.len()], &mut held);
        let (mut query, mut key) = (vec![zero; dqk], vec![zero; dqk]);
        let [mut value, mut sum, mut gate] = [vec![zero; dv], vec![zero; dv], vec![zero; dv]];
        for t in 0..s {
            q.load(head, t, dqk, &mut query);
            k.load(head, t, dqk, &mut key);
            v.load(head, t, dv, &mut value);
            let (log_f, log_i) = logs(cell, i.scalar(head, t), f.scalar(head, t));
            let kept = log_f + m.to_f64();
            // Rounded first: what is stored is what C and n are relative to.
            *m = T::Sum::from_f64(stabiliser(cell, kept, log_i));
            let keep = T::Sum::from_f64((kept - m.to_f64()).exp());
            let take = T::Sum::from_f64((log_i - m.to_f64()).exp());
            scale(machine, &mut query, factor);
            scale(machine, &mut key, take);
            scale(machine, n, keep);
            n.iter_mut().zip(&key).for_each(|(n, &key)| *n += key);
            sum.fill(T::Sum::ZERO);
            let factors = |a: usize| [keep, key[a], query[a]];
            if by_row {
                for (a, c) in c.chunks_exact_mut(dv.max(1)).enumerate() {
                    absorb_stored(machine, c, &mut sum, &value, factors(a));
                }
            } else {
                for (a, c) in own::<C>(c, &mut held).chunks_exact_mut(dv.max(1)).enumerate() {
                    absorb(machine, c, &mut sum, &value, factors(a));
                }
            }
            let z = dot(machine, &query, n);
            scale(machine, &mut sum, T::Sum::from_f64(readout(cell, z.to_f64(), m.to_f64())));
            if let Some(o) = &o {
                o.load(head, t, dv, &mut gate);
                gate_by(machine, &mut sum, &gate);
            }
            T::round(&sum, &mut h[t * dv..][..dv]);
        }
        C::round(&held, &mut c[..held.len()]);
    })?;
    Ok(outputs.finish())
}

/// The outputs of a forward form: h, and the state, which starts as the initial one or as zeros.
pub(in crate::mlstm) struct Outputs {
    h: Tensor,
    c: Tensor,
    n: Tensor,
    m: Tensor,
}

/// One sequence's part of them.
pub(in crate::mlstm) struct Head<'a, T: Data, C> {
    /// `[s, dv]`
    pub(in crate::mlstm) h: &'a mut [T],
    /// `[dqk, dv]`
    pub(in crate::mlstm) c: &'a mut [C],
    /// `[dqk]`
    pub(in crate::mlstm) n: &'a mut [T::Sum],
    pub(in crate::mlstm) m: &'a mut T::Sum,
}

impl Outputs {
    /// With C stored as `C`.
    pub(in crate::mlstm) fn new<T: Data, C: Element>(
        sizes: &Sizes,
        state: Option<&MlstmState>,
    ) -> Result<Self> {
        Ok(Outputs {
            h: Tensor::empty(&Stream::cpu(), T::DTYPE, sizes.values())?,
            c: start::<C>(state.map(|state| &state.c), &sizes.c())?,
            n: start::<T::Sum>(state.map(|state| &state.n), &sizes.n())?,
            m: start::<T::Sum>(state.map(|state| &state.m), &sizes.m())?,
        })
    }

    /// Runs `each` on every sequence, side by side.
    pub(in crate::mlstm) fn for_each<T: Data, C: Element>(
        &mut self,
        sizes: &Sizes,
        each: impl Fn(usize, Head<'_, T, C>) + Sync,
    ) -> Result<()> {
        let (heads, Sizes { s, dqk, dv, .. }) = (sizes.heads(), *sizes);
        let h = parts(self.h.as_slice_mut::<T>()?, heads, s * dv);
        let c = parts(self.c.as_slice_mut::<C>()?, heads, dqk * dv);
        let n = parts(self.n.as_slice_mut::<T::Sum>()?, heads, dqk);
        let all = h.into_par_iter().zip(c).zip(n).zip(self.m.as_slice_mut::<T::Sum>()?).enumerate();
        all.each(&|(head, (((h, c), n), m))| each(head, Head { h, c, n, m }));
        Ok(())
    }

    pub(in crate::mlstm) fn finish(self) -> (Tensor, MlstmState) {
        (self.h, MlstmState { c: self.c, n: self.n, m: self.m })
    }
}

/// A part of the state, as it was given.
fn start<S: Element>(given: Option<&Tensor>, shape: &[usize]) -> Result<Tensor> {
    let Some(given) = given else { return Tensor::zeros(S::DTYPE, shape) };
    let mut start = Tensor::empty(&Stream::cpu(), S::DTYPE, shape)?;
    start.as_slice_mut::<S>()?.copy_from_slice(&packed(given)?);
    Ok(start)
}

/// `count` consecutive parts of `size` elements, which may be 0.
pub(in crate::mlstm) fn parts<T>(mut all: &mut [T], count: usize, size: usize) -> Vec<&mut [T]> {
    let next = || {
        let (part, rest) = std::mem::take(&mut all).split_at_mut(size);
        all = rest;
        part
    };
    std::iter::repeat_with(next).take(count).collect()
}
