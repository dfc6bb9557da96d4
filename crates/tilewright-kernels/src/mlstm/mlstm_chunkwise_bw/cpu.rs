//! Native path: one task a sequence. Forward over the chunks for the states between them, then backward; within a chunk all work is in products of matrices.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor};

use super::{MlstmGradients, MlstmLoss};
use crate::mlstm::cell::Sizes;
use crate::mlstm::gates::{readout_bw, slopes};
use crate::mlstm::mlstm_chunkwise::cpu::{BLOCK, Chunk};
use crate::mlstm::mlstm_sequence::cpu::parts;
use crate::mlstm::lanes::{Scalar, transpose};
use crate::mlstm::product::{Strided, Wanted, product};
use crate::mlstm::rows::{Data, Rows, with_data};
use crate::mlstm::vectors::{Look, Spread, add_and_scale, dot, look, scale, spread};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};
use crate::reduce::number::Accumulator;

pub(super) fn mlstm_chunkwise_bw(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    cell: &Mlstm,
    exact: bool,
    chunk: usize,
) -> Result<MlstmGradients> {
    with_data!(x.q.dtype(), T => run::<T>(sizes, x, state, loss, cell, exact, chunk))
}

fn run<T: Data>(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    loss: &MlstmLoss<'_>,
    cell: &Mlstm,
    exact: bool,
    chunk: usize,
) -> Result<MlstmGradients> {
    let Sizes { s, dqk, dv, .. } = *sizes;
    let heads = sizes.heads();
    let (q, k, v) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let dh = Rows::<T>::new(loss.h)?;
    let given = |tensor: Option<&Tensor>, elements: usize| {
        tensor.map_or_else(|| Ok(vec![T::Sum::ZERO; heads * elements]), Tensor::to_vec::<T::Sum>)
    };
    let c_first = given(state.map(|state| &state.c), dqk * dv)?;
    let n_first = given(state.map(|state| &state.n), dqk)?;
    let m_first = given(state.map(|state| &state.m), 1)?;
    // They become the gradients of the initial state.
    let mut dc = Tensor::from_vec(given(loss.c, dqk * dv)?, sizes.c())?;
    let mut dn = Tensor::from_vec(given(loss.n, dqk)?, sizes.n())?;
    let empty = |dtype, shape: &[usize]| Tensor::empty(&Stream::cpu(), dtype, shape);
    let mut dm = empty(T::Sum::DTYPE, &sizes.m())?;
    let (mut dq, mut dk) = (empty(T::DTYPE, &sizes.keys())?, empty(T::DTYPE, &sizes.keys())?);
    let mut dv_out = empty(T::DTYPE, &sizes.values())?;
    let (mut di, mut df) = (empty(T::Sum::DTYPE, &sizes.gates())?, empty(T::Sum::DTYPE, &sizes.gates())?);

    let rows = parts(dq.as_slice_mut::<T>()?, heads, s * dqk)
        .into_par_iter()
        .zip(parts(dk.as_slice_mut::<T>()?, heads, s * dqk))
        .zip(parts(dv_out.as_slice_mut::<T>()?, heads, s * dv));
    let gates = parts(di.as_slice_mut::<T::Sum>()?, heads, s).into_par_iter().zip(parts(
        df.as_slice_mut::<T::Sum>()?,
        heads,
        s,
    ));
    let states = parts(dc.as_slice_mut::<T::Sum>()?, heads, dqk * dv)
        .into_par_iter()
        .zip(parts(dn.as_slice_mut::<T::Sum>()?, heads, dqk))
        .zip(dm.as_slice_mut::<T::Sum>()?);
    let factor = T::Sum::from_f64(cell.scale(dqk));
    rows.zip(gates).zip(states).enumerate().for_each(|(head, ((rows, gates), states))| {
        let (((dq, dk), dv_out), (di, df), ((dc, dn), dm)) = (rows, gates, states);
        let gate = |t: usize| (i.scalar(head, t), f.scalar(head, t));
        let mut part = Backward::<T::Sum>::new(chunk.min(s), dqk, dv);
        let machine = part.forward.machine;
        let load = |part: &mut Chunk<T::Sum>, first: usize, m: T::Sum| {
            part.tokens = chunk.min(s - first);
            k.load(head, first, dqk, &mut part.k[..part.tokens * dqk]);
            v.load(head, first, dv, &mut part.v[..part.tokens * dv]);
            part.gates(cell, m, |t| gate(first + t));
        };

        // C, n and m before each chunk, and after the last.
        let mut c = c_first[head * dqk * dv..][..dqk * dv].to_vec();
        let mut n = n_first[head * dqk..][..dqk].to_vec();
        let mut m = vec![m_first[head]];
        for (index, first) in (0..s).step_by(chunk).enumerate() {
            load(&mut part.forward, first, m[index]);
            c.extend_from_within(index * dqk * dv..);
            n.extend_from_within(index * dqk..);
            part.forward.carry(&mut c[(index + 1) * dqk * dv..], &mut n[(index + 1) * dqk..]);
            m.push(part.forward.m[part.forward.tokens - 1]);
        }
        let [c_at, n_at] =
            [(&c, dqk * dv), (&n, dqk)].map(|(all, size)| move |index: usize| &all[index * size..][..size]);

        for (index, first) in (0..s).step_by(chunk).enumerate().rev() {
            load(&mut part.forward, first, m[index]);
            let tokens = part.forward.tokens;
            let (keys, values) = (first * dqk..(first + tokens) * dqk, first * dv..(first + tokens) * dv);
            q.load(head, first, dqk, &mut part.forward.q[..tokens * dqk]);
            dh.load(head, first, dv, &mut part.dh[..tokens * dv]);
            scale(machine, &mut part.forward.q[..tokens * dqk], factor);
            let mut flow = (dot(machine, c_at(index + 1), dc) + dot(machine, n_at(index + 1), dn)).to_f64();
            part.run((cell, exact), c_at(index), n_at(index), [dc, dn]);
            for t in (0..tokens).rev() {
                let row = t * dqk..(t + 1) * dqk;
                let by_query = dot(machine, &part.forward.q[row.clone()], &part.dq[row.clone()]).to_f64();
                let by_key = dot(machine, &part.forward.k[row.clone()], &part.dk[row]).to_f64();
                flow += by_query - by_key;
                let (i, f) = gate(first + t);
                let (by_i, by_f) = slopes(cell, i, f);
                di[first + t] = T::Sum::from_f64(by_key * by_i);
                df[first + t] = T::Sum::from_f64(flow * by_f);
            }
            scale(machine, &mut part.dq[..tokens * dqk], factor);
            T::round(&part.dq[..tokens * dqk], &mut dq[keys.clone()]);
            T::round(&part.dk[..tokens * dqk], &mut dk[keys]);
            T::round(&part.dv[..tokens * dv], &mut dv_out[values]);
        }
        *dm = dot(machine, c_at(0), dc) + dot(machine, n_at(0), dn);
    });
    let state = MlstmState { c: dc, n: dn, m: dm };
    Ok(MlstmGradients { q: dq, k: dk, v: dv_out, i: di, f: df, state })
}

/// The cell, and whether its denominators have gradients.
type Mode<'a> = (&'a Mlstm, bool);

/// One chunk's gradients, and what they are made of.
struct Backward<S> {
    /// Its inputs, weights and exponents.
    forward: Chunk<S>,
    dqk: usize,
    width: usize,
    /// `[tokens, dv]`; divided by the denominators from [`Self::run`] on.
    dh: Vec<S>,
    /// `[dv, tokens]`: v by columns.
    values: Vec<S>,
    /// `[dv, dqk]`: C, or its gradient, by columns.
    columns: Vec<S>,
    /// `[tokens, dqk]`, for the queries that carry the scale.
    dq: Vec<S>,
    /// `[tokens, dqk]`
    dk: Vec<S>,
    /// `[tokens, dv]`
    dv: Vec<S>,
    /// `[BLOCK, tokens]`: scores, weighed; and their gradients.
    scores: Vec<S>,
    gradients: Vec<S>,
    /// `[BLOCK, dqk]`: queries, times what is left of the state before the chunk.
    queries: Vec<S>,
}

impl<S: Scalar> Backward<S> {
    fn new(tokens: usize, dqk: usize, dv: usize) -> Self {
        let zeros = |elements: usize| vec![S::ZERO; elements];
        let block = BLOCK.min(tokens);
        Backward {
            forward: Chunk::new(tokens, dqk, dv),
            dqk,
            width: dv,
            dh: zeros(tokens * dv),
            values: zeros(tokens * dv),
            columns: zeros(dv * dqk),
            dq: zeros(tokens * dqk),
            dk: zeros(tokens * dqk),
            dv: zeros(tokens * dv),
            scores: zeros(block * tokens),
            gradients: zeros(block * tokens),
            queries: zeros(block * dqk),
        }
    }

    /// From C and n before the chunk and the gradients `dc` and `dn` of those after it, which become those of the ones before.
    fn run(&mut self, mode: Mode<'_>, c: &[S], n: &[S], [dc, dn]: [&mut [S]; 2]) {
        let (tokens, dqk, dv) = (self.forward.tokens, self.dqk, self.width);
        let machine = self.forward.machine;
        self.take_last(dc, dn);
        let keep = self.forward.before[tokens - 1];
        scale(machine, dc, keep);
        scale(machine, dn, keep);
        transpose(machine, c, [dqk, dv], &mut self.columns);
        self.forward.transpose();
        transpose(machine, &self.forward.v, [tokens, dv], &mut self.values);
        for from in (0..tokens).step_by(BLOCK) {
            self.block(mode, from, tokens.min(from + BLOCK), n, [dc, dn]);
        }
    }

    /// What the state after the chunk gives its keys and values.
    fn take_last(&mut self, dc: &[S], dn: &[S]) {
        let (tokens, dqk, dv) = (self.forward.tokens, self.dqk, self.width);
        let machine = self.forward.machine;
        transpose(machine, dc, [dqk, dv], &mut self.columns);
        let (dk, dv_rows) = (&mut self.dk[..tokens * dqk], &mut self.dv[..tokens * dv]);
        let rows = Strided::row_major(&self.forward.v[..tokens * dv], dv);
        product(machine, dk, false, [tokens, dqk, dv], rows, &self.columns, Wanted::Everything);
        let rows = Strided::row_major(&self.forward.k[..tokens * dqk], dqk);
        product(machine, dv_rows, false, [tokens, dv, dqk], rows, dc, Wanted::Everything);
        for (t, &weight) in self.forward.last_weights().iter().enumerate() {
            add_and_scale(machine, &mut dk[t * dqk..][..dqk], dn, weight);
            scale(machine, &mut dv_rows[t * dv..][..dv], weight);
        }
    }

    /// What the queries `from..to` give all before them. Blocks come in order.
    fn block(&mut self, mode: Mode<'_>, from: usize, to: usize, n: &[S], [dc, dn]: [&mut [S]; 2]) {
        let (rows, tokens, dqk, dv) = (to - from, self.forward.tokens, self.dqk, self.width);
        let forward = &mut self.forward;
        let machine = forward.machine;
        let q = &forward.q[from * dqk..to * dqk];
        let (dq, dh) = (&mut self.dq[from * dqk..to * dqk], &mut self.dh[from * dv..to * dv]);
        let (scores, gradients) = (&mut self.scores[..rows * tokens], &mut self.gradients[..rows * tokens]);
        let seen = Wanted::Columns { first: from };
        let [queries, by_row] = [Strided::row_major(q, dqk), Strided::row_major(dh, dv)];
        product(machine, scores, false, [rows, tokens, dqk], queries, &forward.keys, seen);
        product(machine, gradients, false, [rows, tokens, dv], by_row, &self.values, seen);
        product(machine, dq, false, [rows, dqk, dv], by_row, &self.columns, Wanted::Everything);
        self.queries[..rows * dqk].copy_from_slice(q);
        for row in 0..rows {
            let t = from + row;
            let (scores, unseen) = scores[row * tokens..][..tokens].split_at_mut(t + 1);
            unseen.fill(S::ZERO);
            let (gradients, unseen) = gradients[row * tokens..][..tokens].split_at_mut(t + 1);
            unseen.fill(S::ZERO);
            let query = &mut self.queries[row * dqk..][..dqk];
            let token = Look {
                scores: &mut *scores,
                exponents: &mut forward.exponent[..=t],
                weights: &mut forward.weight[..=t],
                log_f: forward.log_f[t],
                log_i: forward.log_i[t],
                m: forward.m[t],
                query: &mut *query,
                before: forward.before[t],
                n,
            };
            let z = look(machine, token);
            let dq = &mut dq[row * dqk..][..dqk];
            let by_h = dot(machine, scores, gradients) + dot(machine, query, dq);
            let (cell, exact) = mode;
            let (factor, dz) = readout_bw(cell, exact, z.to_f64(), forward.m[t].to_f64(), by_h.to_f64());
            let token = Spread {
                gradients,
                weights: &forward.weight[..=t],
                factor: S::from_f64(factor),
                dz: S::from_f64(dz),
                dq,
                n,
                before: forward.before[t],
                dh: &mut dh[row * dv..][..dv],
                dn: &mut *dn,
                query,
            };
            spread(machine, token);
        }
        let (gradients, scores) = (Strided::row_major(gradients, tokens), Strided::row_major(scores, tokens));
        let (before, after) = (Wanted::Terms { first: from }, Wanted::LateTerms { first: from });
        product(machine, dq, true, [rows, dqk, to], gradients, &forward.k[..to * dqk], before);
        let dk = &mut self.dk[..to * dqk];
        product(machine, dk, true, [to, dqk, rows], gradients.transposed(), q, after);
        let dv_rows = &mut self.dv[..to * dv];
        product(machine, dv_rows, true, [to, dv, rows], scores.transposed(), dh, after);
        let queries = Strided::row_major(&self.queries[..rows * dqk], dqk).transposed();
        product(machine, dc, true, [dqk, dv, rows], queries, dh, Wanted::Everything);
    }
}
