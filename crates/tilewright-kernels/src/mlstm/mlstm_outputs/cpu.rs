//! Native path: all stretches of all sequences side by side, each with the work of a chunk of `mlstm_chunkwise`.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use crate::host::packed;
use crate::mlstm::gates::denominator;
use crate::mlstm::mlstm_chunkwise::cpu::{BLOCK, Chunk};
use crate::mlstm::parts::Part;
use crate::mlstm::rows::{Data, Rows, with_data};
use crate::mlstm::stretches::split;
use crate::mlstm::vectors::scale;
use crate::mlstm::{MlstmInputs, MlstmOutputs, MlstmStates};
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_outputs(
    part: &Part<'_>,
    x: &MlstmInputs<'_>,
    states: &MlstmStates,
) -> Result<MlstmOutputs> {
    with_data!(x.q.dtype(), T => run::<T>(part, x, states))
}

/// The rows of one stretch at a time.
struct Places<S> {
    chunk: Chunk<S>,
    keys: Vec<S>,
    values: Vec<S>,
    sums: Vec<S>,
    gates: Vec<S>,
}

fn run<T: Data>(part: &Part<'_>, x: &MlstmInputs<'_>, states: &MlstmStates) -> Result<MlstmOutputs> {
    let (sizes, cell, count, entries) = (part.sizes, part.cell, part.stretches(), part.boundaries());
    let (s, dqk, dv) = (sizes.s, sizes.dqk, sizes.dv);
    let (q, k, v) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let o = x.o.map(Rows::<T>::new).transpose()?;
    let c = packed::<T::Sum>(&states.c)?;
    let (n, m) = (packed::<T::Sum>(&states.n)?, packed::<T::Sum>(&states.m)?);
    let mut h = Tensor::empty(&Stream::cpu(), T::DTYPE, sizes.values())?;
    let by_token = || Tensor::empty(&Stream::cpu(), T::Sum::DTYPE, sizes.gates());
    let (mut denominators, mut stabilisers) = (by_token()?, by_token()?);
    let stretches = split(part, h.as_slice_mut::<T>()?, dv)
        .into_par_iter()
        .zip(split(part, denominators.as_slice_mut::<T::Sum>()?, 1))
        .zip(split(part, stabilisers.as_slice_mut::<T::Sum>()?, 1));
    let factor = T::Sum::from_f64(cell.scale(dqk));
    let longest = part.stretch.min(s);
    let rows = |rows: usize, width: usize| vec![T::Sum::ZERO; rows * width];
    let new = || Places {
        chunk: Chunk::<T::Sum>::new(longest, dqk, dv),
        keys: rows(longest, dqk),
        values: rows(longest, dv),
        sums: rows(BLOCK.min(longest), dv),
        gates: rows(BLOCK.min(longest), dv),
    };
    stretches.enumerate().for_each_init(new, |places, (at, ((h, denominators), stabilisers))| {
        let Places { chunk, keys, values, sums, gates } = places;
        let (head, index) = (at / count, at % count);
        let (first, boundary, tokens) = (index * part.stretch, head * entries + index, stabilisers.len());
        chunk.tokens = tokens;
        q.load(head, first, dqk, &mut chunk.q[..tokens * dqk]);
        let k = k.view(head, first, dqk, &mut keys[..tokens * dqk]);
        let v = v.view(head, first, dv, &mut values[..tokens * dv]);
        chunk.gates(cell, m[boundary], |t| (i.scalar(head, first + t), f.scalar(head, first + t)));
        scale(chunk.machine, &mut chunk.q[..tokens * dqk], factor);
        chunk.transpose(k);
        let state = (&c[boundary * dqk * dv..][..dqk * dv], &n[boundary * dqk..][..dqk]);
        let gate = o.as_ref().map(|o| (o, head, first));
        chunk.read::<T>(cell, v, state, gate, h, [sums, gates]);
        stabilisers.copy_from_slice(&chunk.m[..tokens]);
        for ((to, z), m) in denominators.iter_mut().zip(&chunk.z).zip(&chunk.m) {
            *to = T::Sum::from_f64(denominator(cell, z.to_f64(), m.to_f64()));
        }
    });
    Ok(MlstmOutputs { h, denominators, stabilisers })
}
