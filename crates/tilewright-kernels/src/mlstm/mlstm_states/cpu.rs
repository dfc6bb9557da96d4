//! Native path: one task a sequence, whose states are made where they are kept.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use super::Inputs;
use crate::mlstm::lanes::Scalar;
use crate::mlstm::mlstm_chunkwise::cpu::Chunk;
use crate::mlstm::mlstm_sequence::cpu::parts;
use crate::mlstm::parts::Part;
use crate::mlstm::product::{Start, Strided, Wanted, product};
use crate::mlstm::rows::{Data, Rows, with_data};
use crate::mlstm::{MlstmState, MlstmStates};
use crate::parallel::Each;
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_states(
    part: &Part<'_>,
    x: &Inputs<'_>,
    state: Option<&MlstmState>,
) -> Result<MlstmStates> {
    with_data!(x.k.dtype(), T => run::<T>(part, x, state))
}

fn run<T: Data>(part: &Part<'_>, x: &Inputs<'_>, state: Option<&MlstmState>) -> Result<MlstmStates> {
    let (sizes, entries, stretch) = (part.sizes, part.boundaries(), part.stretch);
    let (heads, s, dqk, dv) = (sizes.heads(), sizes.s, sizes.dqk, sizes.dv);
    let (k, v) = (Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let first = |of: fn(&MlstmState) -> &Tensor| state.map(|state| of(state).to_vec::<T::Sum>()).transpose();
    let (c_first, n_first, m_first) =
        (first(|state| &state.c)?, first(|state| &state.n)?, first(|state| &state.m)?);
    let empty = |shape: &[usize]| Tensor::empty(&Stream::cpu(), T::Sum::DTYPE, shape);
    let mut states = MlstmStates { c: empty(&part.c())?, n: empty(&part.n())?, m: empty(&part.m())? };
    let all = parts(states.c.as_slice_mut::<T::Sum>()?, heads, entries * dqk * dv)
        .into_par_iter()
        .zip(parts(states.n.as_slice_mut::<T::Sum>()?, heads, entries * dqk))
        .zip(parts(states.m.as_slice_mut::<T::Sum>()?, heads, entries));
    all.enumerate().each(&|(head, ((c, n), m))| {
        begin(&mut c[..dqk * dv], c_first.as_deref(), head);
        begin(&mut n[..dqk], n_first.as_deref(), head);
        begin(&mut m[..1], m_first.as_deref(), head);
        let longest = stretch.min(s);
        let mut chunk = Chunk::<T::Sum>::new(longest, dqk, dv);
        let (mut keys, mut values) = (vec![T::Sum::ZERO; longest * dqk], vec![T::Sum::ZERO; longest * dv]);
        for (index, first) in (0..s).step_by(stretch).enumerate() {
            let tokens = stretch.min(s - first);
            chunk.tokens = tokens;
            let k = k.view(head, first, dqk, &mut keys[..tokens * dqk]);
            let v = v.view(head, first, dv, &mut values[..tokens * dv]);
            chunk.gates(part.cell, m[index], |t| (i.scalar(head, first + t), f.scalar(head, first + t)));
            m[index + 1] = chunk.m[tokens - 1];
            let (before, after) = n[index * dqk..][..2 * dqk].split_at_mut(dqk);
            after.copy_from_slice(before);
            let machine = chunk.machine;
            let (weighted, keep) = chunk.weigh(k, after);
            let keys = Strided::row_major(weighted, dqk).transposed();
            let (before, after) = c[index * dqk * dv..][..2 * dqk * dv].split_at_mut(dqk * dv);
            let start = Start::Other(before, keep);
            product(machine, after, start, [dqk, dv, tokens], keys, v, Wanted::Everything);
        }
    });
    Ok(states)
}

/// A sequence's part of what was given before the first token, or zeros.
fn begin<S: Scalar>(to: &mut [S], given: Option<&[S]>, head: usize) {
    match given {
        Some(all) => to.copy_from_slice(&all[head * to.len()..][..to.len()]),
        None => to.fill(S::ZERO),
    }
}
