//! Native path: one task a sequence; C stays in the cache between tokens and is passed over once for each.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use crate::mlstm::cell::Sizes;
use crate::mlstm::gates::{logs, readout, stabiliser};
use crate::mlstm::rows::{Data, Rows, with_data};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};

pub(super) fn mlstm_sequence(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    with_data!(x.q.dtype(), T => run::<T>(sizes, x, state, cell))
}

fn run<T: Data>(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
) -> Result<(Tensor, MlstmState)> {
    let Sizes { s, dqk, dv, .. } = *sizes;
    let (q, k, v) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let o = x.o.map(Rows::<T>::new).transpose()?;
    let mut outputs = Outputs::<T>::new(sizes, state)?;
    let scale = T::Sum::from_f64(cell.scale(dqk));
    outputs.heads(sizes).enumerate().for_each(|(head, Head { h, c, n, m })| {
        let zero = T::Sum::from_f64(0.0);
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
            let z = Arch::new().dispatch(
                #[inline(always)]
                || {
                    let mut z = zero;
                    sum.fill(zero);
                    for a in 0..dqk {
                        let (query, key) = (scale * query[a], take * key[a]);
                        n[a] = keep * n[a] + key;
                        z += query * n[a];
                        for ((c, sum), &value) in c[a * dv..][..dv].iter_mut().zip(&mut sum).zip(&value) {
                            *c = keep * *c + key * value;
                            *sum += query * *c;
                        }
                    }
                    z
                },
            );
            let factor = T::Sum::from_f64(readout(cell, z.to_f64(), m.to_f64()));
            sum.iter_mut().for_each(|h| *h = *h * factor);
            if let Some(o) = &o {
                o.load(head, t, dv, &mut gate);
                apply_output_gate(&mut sum, &gate);
            }
            T::round(&sum, &mut h[t * dv..][..dv]);
        }
    });
    outputs.finish(sizes)
}

/// `h *= sigma(o)`
pub(in crate::mlstm) fn apply_output_gate<S: crate::mlstm::rows::Scalar>(h: &mut [S], o: &[S]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (h, &o) in h.iter_mut().zip(o) {
                // exp of what is not positive: no overflow, and 0 where it underflows.
                let e = if o > S::ZERO { S::ZERO.minus(o).exp() } else { o.exp() };
                *h = *h * (if o > S::ZERO { S::ONE } else { e }) / S::ONE.plus(e);
            }
        },
    );
}

/// The outputs of a forward form: h, and the state, which starts as the initial one or as zeros.
pub(in crate::mlstm) struct Outputs<T: Data> {
    h: Vec<T>,
    c: Vec<T::Sum>,
    n: Vec<T::Sum>,
    m: Vec<T::Sum>,
}

/// One sequence's part of them.
pub(in crate::mlstm) struct Head<'a, T: Data> {
    /// `[s, dv]`
    pub(in crate::mlstm) h: &'a mut [T],
    /// `[dqk, dv]`
    pub(in crate::mlstm) c: &'a mut [T::Sum],
    /// `[dqk]`
    pub(in crate::mlstm) n: &'a mut [T::Sum],
    pub(in crate::mlstm) m: &'a mut T::Sum,
}

impl<T: Data> Outputs<T> {
    pub(in crate::mlstm) fn new(sizes: &Sizes, state: Option<&MlstmState>) -> Result<Self> {
        let start = |of: fn(&MlstmState) -> &Tensor, elements: usize| match state {
            Some(state) => of(state).to_vec::<T::Sum>(),
            None => Ok(vec![T::Sum::from_f64(0.0); elements]),
        };
        Ok(Outputs {
            h: vec![T::zeroed(); sizes.values().iter().product()],
            c: start(|state| &state.c, sizes.c().iter().product())?,
            n: start(|state| &state.n, sizes.n().iter().product())?,
            m: start(|state| &state.m, sizes.heads())?,
        })
    }

    /// One item a sequence.
    pub(in crate::mlstm) fn heads(&mut self, sizes: &Sizes) -> impl IndexedParallelIterator<Item = Head<'_, T>> {
        let Sizes { s, dqk, dv, .. } = *sizes;
        let h = parts(&mut self.h, sizes.heads(), s * dv);
        let c = parts(&mut self.c, sizes.heads(), dqk * dv);
        let n = parts(&mut self.n, sizes.heads(), dqk);
        let all = h.into_par_iter().zip(c).zip(n).zip(&mut self.m);
        all.map(|(((h, c), n), m)| Head { h, c, n, m })
    }

    pub(in crate::mlstm) fn finish(self, sizes: &Sizes) -> Result<(Tensor, MlstmState)> {
        let state = MlstmState {
            c: Tensor::from_vec(self.c, sizes.c())?,
            n: Tensor::from_vec(self.n, sizes.n())?,
            m: Tensor::from_vec(self.m, sizes.m())?,
        };
        Ok((Tensor::from_vec(self.h, sizes.values())?, state))
    }
}

/// `count` consecutive parts of `size` elements, which may be 0.
fn parts<T>(mut all: &mut [T], count: usize, size: usize) -> Vec<&mut [T]> {
    let next = || {
        let (part, rest) = std::mem::take(&mut all).split_at_mut(size);
        all = rest;
        part
    };
    std::iter::repeat_with(next).take(count).collect()
}
