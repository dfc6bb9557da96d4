//! Native path: one task a sequence, whose C stays in the cache from chunk to chunk; within a chunk all work is in products of matrices.

use std::ops::Range;

use tilewright_core::{Element, Result, Tensor};

use crate::mlstm::cell::Sizes;
use crate::mlstm::gates::{logs, readout, stabiliser};
use crate::mlstm::lanes::{Machine, Scalar, transpose};
use crate::mlstm::mlstm_sequence::cpu::{Head, Outputs};
use crate::mlstm::product::{Start, Strided, Wanted, product};
use crate::mlstm::rows::{Data, Rows, is_sum, own, with_data};
use crate::mlstm::vectors::{Look, gate_by, look, scale, take_in, weights};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};
use crate::reduce::number::Accumulator;

/// Queries that are taken together within a chunk: of the scores, which are as many as the chunk is long for each, no more are ever kept.
pub(in crate::mlstm) const BLOCK: usize = 48;

pub(super) fn mlstm_chunkwise(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
    chunk: usize,
) -> Result<(Tensor, MlstmState)> {
    with_data!(x.q.dtype(), T => run::<T>(sizes, x, state, cell, chunk))
}

/// h alone, of one chunk that is the whole sequence and follows nothing.
pub(in crate::mlstm) fn mlstm_parallel(sizes: &Sizes, x: &MlstmInputs<'_>, cell: &Mlstm) -> Result<Tensor> {
    Ok(mlstm_chunkwise(sizes, x, None, cell, sizes.s.max(1))?.0)
}

fn run<T: Data>(
    sizes: &Sizes,
    x: &MlstmInputs<'_>,
    state: Option<&MlstmState>,
    cell: &Mlstm,
    chunk: usize,
) -> Result<(Tensor, MlstmState)> {
    let Sizes { s, dqk, dv, .. } = *sizes;
    let (q, k, v) = (Rows::<T>::new(x.q)?, Rows::<T>::new(x.k)?, Rows::<T>::new(x.v)?);
    let (i, f) = (Rows::<T::Sum>::new(x.i)?, Rows::<T::Sum>::new(x.f)?);
    let o = x.o.map(Rows::<T>::new).transpose()?;
    let mut outputs = Outputs::new::<T, T::Sum>(sizes, state)?;
    let longest = chunk.min(s);
    outputs.for_each::<T, T::Sum>(sizes, |head, Head { h, c, n, m }| {
        let mut part = Chunk::<T::Sum>::new(longest, dqk, dv);
        let machine = part.machine;
        let rows = |rows: usize, width: usize| vec![T::Sum::ZERO; rows * width];
        let (mut keys, mut values) = (rows(longest, dqk), rows(longest, dv));
        let (mut sums, mut gates) = (rows(BLOCK.min(longest), dv), rows(BLOCK.min(longest), dv));
        for first in (0..s).step_by(chunk) {
            let tokens = chunk.min(s - first);
            part.tokens = tokens;
            q.load(head, first, dqk, &mut part.q[..tokens * dqk]);
            let k = k.view(head, first, dqk, &mut keys[..tokens * dqk]);
            let v = v.view(head, first, dv, &mut values[..tokens * dv]);
            part.gates(cell, *m, |t| (i.scalar(head, first + t), f.scalar(head, first + t)));
            scale(machine, &mut part.q[..tokens * dqk], T::Sum::from_f64(cell.scale(dqk)));
            part.transpose(k);
            let gate = o.as_ref().map(|o| (o, head, first));
            let h = &mut h[first * dv..][..tokens * dv];
            part.read::<T>(cell, v, (c, n), gate, h, [&mut sums, &mut gates]);
            let (weighted, keep) = part.weigh(k, n);
            let (keys, start) = (Strided::row_major(weighted, dqk).transposed(), Start::Itself(keep));
            product(machine, c, start, [dqk, dv, tokens], keys, v, Wanted::Everything);
            *m = part.m[tokens - 1];
        }
    })?;
    Ok(outputs.finish())
}

/// One chunk's queries, widened, and what is made of all its inputs.
pub(in crate::mlstm) struct Chunk<S> {
    pub(in crate::mlstm) machine: Machine,
    pub(in crate::mlstm) tokens: usize,
    dqk: usize,
    dv: usize,
    /// `[tokens, dqk]`; q carries the scale, and from [`Self::outputs`] on what is left of the state before the chunk.
    pub(in crate::mlstm) q: Vec<S>,
    /// `[tokens, dqk]`: keys with their weights at the end of the chunk.
    weighted: Vec<S>,
    /// `[dqk, tokens]`: k by columns.
    pub(in crate::mlstm) keys: Vec<S>,
    /// The logarithms of both gates of each token, and its stabiliser.
    pub(in crate::mlstm) log_f: Vec<S>,
    pub(in crate::mlstm) log_i: Vec<S>,
    pub(in crate::mlstm) m: Vec<S>,
    /// The weight, at each token, of the state before the chunk.
    pub(in crate::mlstm) before: Vec<S>,
    /// The exponent, at the token reached, of each token's contribution. It grows by one forget gate a token, as a sum of numbers of one
    /// sign: a difference of prefix sums would lose what it has in common.
    pub(in crate::mlstm) exponent: Vec<S>,
    /// The weights of all tokens at one of them.
    pub(in crate::mlstm) weight: Vec<S>,
    /// What each token's denominator comes from, as it is read.
    pub(in crate::mlstm) z: Vec<S>,
    /// `[BLOCK, tokens]`
    scores: Vec<S>,
}

impl<S: Scalar> Chunk<S> {
    pub(in crate::mlstm) fn new(tokens: usize, dqk: usize, dv: usize) -> Self {
        let zeros = |elements: usize| vec![S::ZERO; elements];
        let block = BLOCK.min(tokens);
        Chunk {
            machine: Machine::here(),
            tokens,
            dqk,
            dv,
            q: zeros(tokens * dqk),
            weighted: zeros(tokens * dqk),
            keys: zeros(tokens * dqk),
            log_f: zeros(tokens),
            log_i: zeros(tokens),
            m: zeros(tokens),
            before: zeros(tokens),
            exponent: zeros(tokens),
            weight: zeros(tokens),
            z: zeros(tokens),
            scores: zeros(block * tokens),
        }
    }

    /// What depends on the gates `(i, f)` of each token alone.
    pub(in crate::mlstm) fn gates(&mut self, cell: &Mlstm, m: S, gate: impl Fn(usize) -> (f64, f64)) {
        let (mut m, mut before) = (m.to_f64(), m.to_f64());
        for t in 0..self.tokens {
            let (i, f) = gate(t);
            let (log_f, log_i) = logs(cell, i, f);
            // Rounded at once: everything else is relative to what is stored.
            self.m[t] = S::from_f64(stabiliser(cell, log_f + m, log_i));
            m = self.m[t].to_f64();
            before += log_f;
            (self.log_f[t], self.log_i[t]) = (S::from_f64(log_f), S::from_f64(log_i));
            self.before[t] = S::from_f64((before - m).exp());
        }
    }

    /// What [`Self::gates`] makes.
    pub(in crate::mlstm) fn of_gates(&mut self) -> [&mut [S]; 4] {
        [&mut self.log_f, &mut self.log_i, &mut self.m, &mut self.before]
    }

    /// Keys by columns, as the scores take them.
    pub(in crate::mlstm) fn transpose(&mut self, k: &[S]) {
        transpose(self.machine, k, [self.tokens, self.dqk], &mut self.keys);
    }

    /// h of the chunk, whose scaled queries, keys and weights are there: of the output gates from a token of a sequence on, where there are any.
    /// `sums` and `gates` hold [`BLOCK`] rows each.
    pub(in crate::mlstm) fn read<T: Data<Sum = S>>(
        &mut self,
        cell: &Mlstm,
        v: &[S],
        state: (&[S], &[S]),
        gate: Option<(&Rows<'_, T>, usize, usize)>,
        h: &mut [T],
        [sums, gates]: [&mut [S]; 2],
    ) {
        let (tokens, dv) = (self.tokens, self.dv);
        for from in (0..tokens).step_by(BLOCK) {
            let to = tokens.min(from + BLOCK);
            let rows = (to - from) * dv;
            let h = &mut h[from * dv..][..rows];
            let sum = own::<T>(h, &mut sums[..rows]);
            self.outputs(cell, from..to, v, state, sum);
            if let Some((o, head, first)) = gate {
                let gate = &mut gates[..rows];
                o.load(head, first + from, dv, gate);
                gate_by(self.machine, sum, gate);
            }
            if !is_sum::<T>() {
                T::round(&sums[..rows], h);
            }
        }
    }

    /// h of these tokens, before output gates, into `sum`. Blocks come in order.
    fn outputs(&mut self, cell: &Mlstm, block: Range<usize>, v: &[S], (c, n): (&[S], &[S]), sum: &mut [S]) {
        let (from, to) = (block.start, block.end);
        let (machine, rows, dqk, dv) = (self.machine, to - from, self.dqk, self.dv);
        let q = &mut self.q[from * dqk..to * dqk];
        let scores = &mut self.scores[..rows * self.tokens];
        let sizes = [rows, self.tokens, dqk];
        let seen = Wanted::Columns { first: from };
        product(machine, scores, Start::Zeros, sizes, Strided::row_major(q, dqk), &self.keys, seen);
        let mut factors = [S::ZERO; BLOCK];
        for row in 0..rows {
            let t = from + row;
            let (seen, unseen) = scores[row * self.tokens..][..self.tokens].split_at_mut(t + 1);
            unseen.fill(S::ZERO);
            let token = Look {
                scores: seen,
                exponents: &mut self.exponent[..=t],
                weights: &mut self.weight[..=t],
                log_f: self.log_f[t],
                log_i: self.log_i[t],
                m: self.m[t],
                query: &mut q[row * dqk..][..dqk],
                before: self.before[t],
                n,
            };
            let z = look(machine, token);
            self.z[t] = z;
            factors[row] = S::from_f64(readout(cell, z.to_f64(), self.m[t].to_f64()));
        }
        let queries = Strided::row_major(q, dqk);
        product(machine, sum, Start::Zeros, [rows, dv, dqk], queries, c, Wanted::Everything);
        let weights = Strided::row_major(scores, self.tokens);
        let before = Wanted::Terms { first: from };
        product(machine, sum, Start::Itself(S::ONE), [rows, dv, to], weights, &v[..to * dv], before);
        for (row, &factor) in factors[..rows].iter().enumerate() {
            scale(machine, &mut sum[row * dv..][..dv], factor);
        }
    }

    /// The weight, at the end of the chunk, of each token's contribution.
    pub(in crate::mlstm) fn last_weights(&mut self) -> &[S] {
        let tokens = self.tokens;
        let mut forgotten = S::ZERO;
        for t in (0..tokens).rev() {
            self.exponent[t] = self.log_i[t] + forgotten;
            forgotten += self.log_f[t];
        }
        let last = self.m[tokens - 1];
        weights(self.machine, &mut self.weight[..tokens], &self.exponent[..tokens], last);
        &self.weight[..tokens]
    }

    /// n after the chunk, and the keys with their weights there, `[tokens, dqk]`; beside them the weight of C before the chunk.
    pub(in crate::mlstm) fn weigh(&mut self, k: &[S], n: &mut [S]) -> (&[S], S) {
        let (machine, tokens, dqk) = (self.machine, self.tokens, self.dqk);
        let keep = self.before[tokens - 1];
        scale(machine, n, keep);
        self.last_weights();
        for t in 0..tokens {
            let row = t * dqk..(t + 1) * dqk;
            take_in(machine, &mut self.weighted[row.clone()], &k[row], self.weight[t], n);
        }
        (&self.weighted[..tokens * dqk], keep)
    }
}
