//! Native path: one task a sequence. Forward over the chunks for the states between them, then backward; within a chunk all work is in products of matrices.

use std::ops::Range;

use rayon::prelude::*;
use tilewright_core::{Element, Error, Result, Stream, Tensor};

use super::{MlstmGradients, MlstmLoss};
use crate::mlstm::cell::Sizes;
use crate::mlstm::gates::{readout_bw, sigmoid, slopes};
use crate::mlstm::lanes::{Scalar, transpose};
use crate::mlstm::mlstm_chunkwise::cpu::{BLOCK, Chunk};
use crate::mlstm::mlstm_sequence::cpu::parts;
use crate::mlstm::product::{Start, Strided, Wanted, product};
use crate::mlstm::rows::{Data, Rows, is_sum, own, with_data};
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
    let o = x.o.map(Rows::<T>::new).transpose()?;
    // Without an output gate nothing is by one.
    let gates_width = if o.is_some() { dv } else { 0 };
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
    let mut do_out = empty(T::DTYPE, &[sizes.b, sizes.nh, s, gates_width])?;
    let (mut di, mut df) = (empty(T::Sum::DTYPE, &sizes.gates())?, empty(T::Sum::DTYPE, &sizes.gates())?);

    let rows = parts(dq.as_slice_mut::<T>()?, heads, s * dqk)
        .into_par_iter()
        .zip(parts(dk.as_slice_mut::<T>()?, heads, s * dqk))
        .zip(parts(dv_out.as_slice_mut::<T>()?, heads, s * dv))
        .zip(parts(do_out.as_slice_mut::<T>()?, heads, s * gates_width));
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
    rows.zip(gates).zip(states).enumerate().try_for_each(|(head, ((rows, gates), states))| {
        let ((((dq, dk), dv_out), do_out), (di, df), ((dc, dn), dm)) = (rows, gates, states);
        let gate = |t: usize| (i.scalar(head, t), f.scalar(head, t));
        let mut part = Backward::<T::Sum>::new(chunk.min(s), dqk, dv, o.is_some());
        let machine = part.forward.machine;
        let longest = chunk.min(s);
        let places = |rows: usize| vec![T::Sum::ZERO; longest * rows];
        let (mut key_rows, mut value_rows) = (places(dqk), places(dv));
        let (mut dq_rows, mut dk_rows, mut dv_rows) = (places(dqk), places(dqk), places(dv));
        let mut do_rows = places(gates_width);

        // C by columns, n and m before each chunk, and after the last; and what the gates of all tokens come to.
        let chunks = s.div_ceil(chunk);
        let mut c = empty(T::Sum::DTYPE, &[(chunks + 1) * dqk * dv])?;
        let c = c.as_slice_mut::<T::Sum>()?;
        let mut n = vec![T::Sum::ZERO; (chunks + 1) * dqk];
        transpose(machine, &c_first[head * dqk * dv..], [dqk, dv], c);
        n[..dqk].copy_from_slice(&n_first[head * dqk..][..dqk]);
        let mut m = m_first[head];
        let mut of_gates: [_; 4] = std::array::from_fn(|_| Vec::with_capacity(s));
        for (index, first) in (0..s).step_by(chunk).enumerate() {
            let tokens = chunk.min(s - first);
            part.forward.tokens = tokens;
            let k = k.view(head, first, dqk, &mut key_rows[..tokens * dqk]);
            let v = v.view(head, first, dv, &mut value_rows[..tokens * dv]);
            part.forward.gates(cell, m, |t| gate(first + t));
            m = part.forward.m[tokens - 1];
            for (all, own) in of_gates.iter_mut().zip(part.forward.of_gates()) {
                all.extend_from_slice(&own[..tokens]);
            }
            let (n_before, n) = n[index * dqk..].split_at_mut(dqk);
            n[..dqk].copy_from_slice(n_before);
            let (weighted, keep) = part.forward.weigh(k, &mut n[..dqk]);
            let (before, c) = c[index * dqk * dv..].split_at_mut(dqk * dv);
            let (values, start) = (Strided::row_major(v, dv).transposed(), Start::Other(before, keep));
            product(machine, c, start, [dv, dqk, tokens], values, weighted, Wanted::Everything);
        }
        let state_at = |index: usize| (&c[index * dqk * dv..][..dqk * dv], &n[index * dqk..][..dqk]);

        for (index, first) in (0..s).step_by(chunk).enumerate().rev() {
            let tokens = chunk.min(s - first);
            part.forward.tokens = tokens;
            for (all, own) in of_gates.iter().zip(part.forward.of_gates()) {
                own[..tokens].copy_from_slice(&all[first..first + tokens]);
            }
            let of_rows = |width: usize| first * width..(first + tokens) * width;
            let (keys, values) = (of_rows(dqk), of_rows(dv));
            let k = k.view(head, first, dqk, &mut key_rows[..tokens * dqk]);
            let v = v.view(head, first, dv, &mut value_rows[..tokens * dv]);
            q.load(head, first, dqk, &mut part.forward.q[..tokens * dqk]);
            dh.load(head, first, dv, &mut part.dh[..tokens * dv]);
            if let Some(o) = &o {
                o.load(head, first, dv, &mut part.closed[..tokens * dv]);
                part.open();
            }
            scale(machine, &mut part.forward.q[..tokens * dqk], factor);
            let (before, after) = (state_at(index), state_at(index + 1));
            let [dq_here, dk_here] = [&mut *dq, &mut *dk].map(|all| &mut all[keys.clone()]);
            let (dv_here, do_here) = (&mut dv_out[values], &mut do_out[of_rows(gates_width)]);
            let rows = Gradients {
                q: own::<T>(dq_here, &mut dq_rows[..tokens * dqk]),
                k: own::<T>(dk_here, &mut dk_rows[..tokens * dqk]),
                v: own::<T>(dv_here, &mut dv_rows[..tokens * dv]),
                o: own::<T>(do_here, &mut do_rows[..tokens * gates_width]),
            };
            let mode = (cell, exact, Asked::ALL);
            let mut flow = part.run(mode, (k, v), (before, Some(after)), [dc, dn], rows).to_f64();
            let (by_q, by_k) = (own::<T>(dq_here, &mut dq_rows), own::<T>(dk_here, &mut dk_rows));
            for t in (0..tokens).rev() {
                let row = t * dqk..(t + 1) * dqk;
                let by_query = dot(machine, &part.forward.q[row.clone()], &by_q[row.clone()]).to_f64();
                let by_key = dot(machine, &k[row.clone()], &by_k[row]).to_f64();
                flow += by_query - by_key;
                let (i, f) = gate(first + t);
                let (by_i, by_f) = slopes(cell, i, f);
                di[first + t] = T::Sum::from_f64(by_key * by_i);
                df[first + t] = T::Sum::from_f64(flow * by_f);
            }
            scale(machine, &mut by_q[..tokens * dqk], factor);
            if !is_sum::<T>() {
                T::round(&dq_rows[..tokens * dqk], dq_here);
                T::round(&dk_rows[..tokens * dqk], dk_here);
                T::round(&dv_rows[..tokens * dv], dv_here);
                T::round(&do_rows[..tokens * gates_width], do_here);
            }
        }
        transpose(machine, dc, [dqk, dv], &mut part.columns);
        let (c, n) = state_at(0);
        *dm = dot(machine, c, &part.columns) + dot(machine, n, dn);
        Ok::<_, Error>(())
    })?;
    let state = MlstmState { c: dc, n: dn, m: dm };
    Ok(MlstmGradients { q: dq, k: dk, v: dv_out, i: di, f: df, o: o.map(|_| do_out), state })
}

/// Those of a chunk's rows: by queries that carry the scale, by keys, by values, and by output gates where there are any.
pub(in crate::mlstm) struct Gradients<'a, S> {
    pub(in crate::mlstm) q: &'a mut [S],
    pub(in crate::mlstm) k: &'a mut [S],
    pub(in crate::mlstm) v: &'a mut [S],
    pub(in crate::mlstm) o: &'a mut [S],
}

/// Which gradients are wanted: of the others' places nothing can be told.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::mlstm) struct Asked {
    pub(in crate::mlstm) q: bool,
    pub(in crate::mlstm) k: bool,
    pub(in crate::mlstm) v: bool,
    /// By the state before the chunk.
    pub(in crate::mlstm) state: bool,
}

impl Asked {
    const ALL: Self = Asked { q: true, k: true, v: true, state: true };
}

/// The cell, whether its denominators have gradients, and what is wanted.
pub(in crate::mlstm) type Mode<'a> = (&'a Mlstm, bool, Asked);

/// C and n, or their gradients.
pub(in crate::mlstm) type Pair<'a, S> = (&'a [S], &'a [S]);

/// One chunk's gradients, and what they are made of.
pub(in crate::mlstm) struct Backward<S> {
    /// Its inputs, weights and exponents.
    pub(in crate::mlstm) forward: Chunk<S>,
    dqk: usize,
    width: usize,
    /// `[tokens, dv]`; divided by the denominators from [`Self::run`] on.
    pub(in crate::mlstm) dh: Vec<S>,
    /// `[tokens, dv]`: o, and sigma(-o) from [`Self::open`] on. Empty without output gates.
    closed: Vec<S>,
    /// `[dv, tokens]`: v by columns.
    values: Vec<S>,
    /// `[dv, dqk]`: the gradient of C by columns. Beside output gates then C itself, `[dqk, dv]`.
    columns: Vec<S>,
    /// `[BLOCK, tokens]`: scores, weighed; and their gradients.
    scores: Vec<S>,
    gradients: Vec<S>,
    /// `[BLOCK, dqk]`: queries, times what is left of the state before the chunk.
    queries: Vec<S>,
}

impl<S: Scalar> Backward<S> {
    pub(in crate::mlstm) fn new(tokens: usize, dqk: usize, dv: usize, gated: bool) -> Self {
        let zeros = |elements: usize| vec![S::ZERO; elements];
        let block = BLOCK.min(tokens);
        Backward {
            forward: Chunk::new(tokens, dqk, dv),
            dqk,
            width: dv,
            dh: zeros(tokens * dv),
            closed: zeros(if gated { tokens * dv } else { 0 }),
            values: zeros(tokens * dv),
            columns: zeros(dv * dqk),
            scores: zeros(block * tokens),
            gradients: zeros(block * tokens),
            queries: zeros(block * dqk),
        }
    }

    /// The gradients of `sigma(o) h` become those of h.
    fn open(&mut self) {
        let elements = self.forward.tokens * self.width;
        for (dh, gate) in self.dh[..elements].iter_mut().zip(&mut self.closed) {
            let o = gate.to_f64();
            *dh = S::from_f64(dh.to_f64() * sigmoid(o));
            *gate = S::from_f64(sigmoid(-o));
        }
    }

    /// From C (by columns) and n before and after the chunk and the gradients `dc` and `dn` of those after it, which become those of the ones before.
    /// Gives what flows over the end of the chunk: C and n there, by their gradients; 0 where they are not given.
    pub(in crate::mlstm) fn run(
        &mut self,
        mode: Mode<'_>,
        (k, v): (&[S], &[S]),
        ((c, n), after): (Pair<'_, S>, Option<Pair<'_, S>>),
        [dc, dn]: [&mut [S]; 2],
        mut by: Gradients<'_, S>,
    ) -> S {
        let (tokens, dqk, dv) = (self.forward.tokens, self.dqk, self.width);
        let machine = self.forward.machine;
        transpose(machine, dc, [dqk, dv], &mut self.columns);
        let flow = after.map_or(S::ZERO, |(c, n)| dot(machine, c, &self.columns) + dot(machine, n, dn));
        self.take_last(mode.2, (k, v), (dc, dn), &mut by);
        if !self.closed.is_empty() {
            transpose(machine, c, [dv, dqk], &mut self.columns);
        }
        scale(machine, dn, self.forward.before[tokens - 1]);
        self.forward.transpose(k);
        transpose(machine, v, [tokens, dv], &mut self.values);
        for from in (0..tokens).step_by(BLOCK) {
            self.block(mode, from..tokens.min(from + BLOCK), (k, v), (c, n), [dc, dn], &mut by);
        }
        flow
    }

    /// What the state after the chunk gives its keys and values.
    fn take_last(
        &mut self,
        asked: Asked,
        (k, v): (&[S], &[S]),
        (dc, dn): Pair<'_, S>,
        by: &mut Gradients<'_, S>,
    ) {
        let (tokens, dqk, dv) = (self.forward.tokens, self.dqk, self.width);
        let machine = self.forward.machine;
        let (dk, dv_rows) = (&mut *by.k, &mut *by.v);
        if asked.k {
            let rows = Strided::row_major(v, dv);
            product(machine, dk, Start::Zeros, [tokens, dqk, dv], rows, &self.columns, Wanted::Everything);
        }
        if asked.v {
            let rows = Strided::row_major(k, dqk);
            product(machine, dv_rows, Start::Zeros, [tokens, dv, dqk], rows, dc, Wanted::Everything);
        }
        for (t, &weight) in self.forward.last_weights().iter().enumerate() {
            if asked.k {
                add_and_scale(machine, &mut dk[t * dqk..][..dqk], dn, weight);
            }
            if asked.v {
                scale(machine, &mut dv_rows[t * dv..][..dv], weight);
            }
        }
    }

    /// What these queries give all before them. Blocks come in order.
    fn block(
        &mut self,
        mode: Mode<'_>,
        queries: Range<usize>,
        (k, v): (&[S], &[S]),
        (c, n): (&[S], &[S]),
        [dc, dn]: [&mut [S]; 2],
        by: &mut Gradients<'_, S>,
    ) {
        let (from, to) = (queries.start, queries.end);
        let (rows, tokens, dqk, dv) = (to - from, self.forward.tokens, self.dqk, self.width);
        let (cell, exact, asked) = mode;
        let forward = &mut self.forward;
        let machine = forward.machine;
        let q = &forward.q[from * dqk..to * dqk];
        let (dq, dh) = (&mut by.q[from * dqk..to * dqk], &mut self.dh[from * dv..to * dv]);
        let (scores, gradients) = (&mut self.scores[..rows * tokens], &mut self.gradients[..rows * tokens]);
        let seen = Wanted::Columns { first: from };
        let [queries, by_row] = [Strided::row_major(q, dqk), Strided::row_major(dh, dv)];
        product(machine, scores, Start::Zeros, [rows, tokens, dqk], queries, &forward.keys, seen);
        if asked.q || asked.k || (asked.state && exact) {
            product(machine, gradients, Start::Zeros, [rows, tokens, dv], by_row, &self.values, seen);
            product(machine, dq, Start::Zeros, [rows, dqk, dv], by_row, c, Wanted::Everything);
        } else {
            // Neither scores nor denominators pass anything on.
            gradients.fill(S::ZERO);
            dq.fill(S::ZERO);
        }
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
        let more = Start::Itself(S::ONE);
        if !self.closed.is_empty() {
            // h before it is divided, times dh after that, is dh h; and dh is sigma(o) dy.
            let by_o = &mut by.o[from * dv..to * dv];
            let queries = Strided::row_major(&self.queries, dqk);
            product(machine, by_o, Start::Zeros, [rows, dv, dqk], queries, &self.columns, Wanted::Everything);
            product(machine, by_o, more, [rows, dv, to], scores, &v[..to * dv], before);
            for ((by_o, &dh), &closed) in by_o.iter_mut().zip(&*dh).zip(&self.closed[from * dv..]) {
                *by_o = *by_o * dh * closed;
            }
        }
        if asked.q {
            product(machine, dq, more, [rows, dqk, to], gradients, &k[..to * dqk], before);
        }
        if asked.k {
            let dk = &mut by.k[..to * dqk];
            product(machine, dk, more, [to, dqk, rows], gradients.transposed(), q, after);
        }
        if asked.v {
            let dv_rows = &mut by.v[..to * dv];
            product(machine, dv_rows, more, [to, dv, rows], scores.transposed(), dh, after);
        }
        if !asked.state {
            return;
        }
        let queries = Strided::row_major(&self.queries[..rows * dqk], dqk).transposed();
        let kept = Start::Itself(if from == 0 { forward.before[tokens - 1] } else { S::ONE });
        product(machine, dc, kept, [dqk, dv, rows], queries, dh, Wanted::Everything);
    }
}
