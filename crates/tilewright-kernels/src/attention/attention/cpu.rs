//! Native path: a task has a block of a head's queries, and takes the keys a tile at a time; both products are `faer`'s.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor, bf16, f16};

use super::Plan;
use crate::attention::{Attended, Running, weigh};
use crate::gemm::number::{Number, Rounded};
use crate::host::packed;

/// Queries of a task, and keys of a tile: scores of 64 KiB, which stay in the second-level cache with a tile of keys.
const BLOCK: usize = 64;
const TILE: usize = 256;
/// Multiply-adds below which threads cost more than they give.
const SERIAL: usize = 1 << 16;

pub(super) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, plan: &Plan) -> Result<Attended> {
    match q.dtype() {
        DType::F16 => run::<f16>(q, k, v, plan),
        DType::Bf16 => run::<bf16>(q, k, v, plan),
        _ => run::<f32>(q, k, v, plan),
    }
}

fn run<T: Number<Sum = f32> + Rounded<f32>>(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    let cpu = Stream::cpu();
    let lines = plan.b * plan.heads;
    let mut out = Tensor::empty(&cpu, q.dtype(), [plan.b, plan.heads, plan.s, plan.dv])?;
    let mut lse = vec![f32::NEG_INFINITY; lines * plan.s];
    if lines * plan.s > 0 {
        let (q, k, v) = (packed::<T>(q)?, packed::<T>(k)?, packed::<T>(v)?);
        let tokens = Heads { plan, q: &q, k: &k, v: &v };
        let mut outs = out.as_slice_mut::<T>()?;
        let mut marks = &mut lse[..];
        let mut work = Vec::with_capacity(lines * plan.s.div_ceil(BLOCK));
        for line in 0..lines {
            for first in (0..plan.s).step_by(BLOCK) {
                let rows = BLOCK.min(plan.s - first);
                let (out, rest) = outs.split_at_mut(rows * plan.dv);
                let (mark, others) = marks.split_at_mut(rows);
                (outs, marks) = (rest, others);
                work.push((line, first, out, mark));
            }
        }
        let one = |room: &mut Room, (line, first, out, mark): (usize, usize, &mut [T], &mut [f32])| {
            tokens.read(room, line, first, out, mark);
        };
        if lines * plan.s * plan.t * (plan.d + plan.dv) <= SERIAL {
            let mut room = Room::new(plan);
            work.into_iter().for_each(|task| one(&mut room, task));
        } else {
            work.into_par_iter().for_each_init(|| Room::new(plan), one);
        }
    }
    Ok(Attended { out, lse: Tensor::from_vec(lse, [plan.b, plan.heads, plan.s])? })
}

/// What a task works in.
struct Room {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    weights: Vec<f32>,
    sums: Vec<f32>,
    running: [Running; BLOCK],
}

impl Room {
    fn new(plan: &Plan) -> Self {
        let (rows, tile) = (BLOCK.min(plan.s), TILE.min(plan.t));
        Room {
            q: vec![0.0; rows * plan.d],
            k: vec![0.0; tile * plan.d],
            v: vec![0.0; tile * plan.dv],
            weights: vec![0.0; rows * tile],
            sums: vec![0.0; rows * plan.dv],
            running: [Running::NOTHING; BLOCK],
        }
    }
}

/// Elements as f32: themselves, or widened into `room`.
fn wide<'a, T: Number<Sum = f32>>(from: &'a [T], room: &'a mut [f32]) -> &'a [f32] {
    match T::as_sums(from) {
        Some(from) => from,
        None => {
            let room = &mut room[..from.len()];
            T::widen(from, room);
            room
        }
    }
}

struct Heads<'a, T> {
    plan: &'a Plan,
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
}

impl<T: Number<Sum = f32> + Rounded<f32>> Heads<'_, T> {
    /// The queries from `first` on of a head, as many as `lse` has.
    fn read(&self, room: &mut Room, line: usize, first: usize, out: &mut [T], lse: &mut [f32]) {
        let &Plan { heads, kv_heads, s, t, d, dv, causal, scores, .. } = self.plan;
        let Room { q, k, v, weights, sums, running } = room;
        let rows = lse.len();
        let kv_line = line / heads * kv_heads + line % heads / (heads / kv_heads);
        let q = wide(&self.q[(line * s + first) * d..][..rows * d], q);
        let sums = &mut sums[..rows * dv];
        sums.fill(0.0);
        running[..rows].fill(Running::NOTHING);
        // One past a query's own place, for causal ones: 0 where that is before the first key.
        let end = |row: usize| if causal { (t + first + row + 1).saturating_sub(s) } else { t };
        let stop = end(rows - 1).min(t);
        // No query of the block sees a key between the kept ones and this.
        let seen = scores.first(end(0).saturating_sub(1));
        let mut start = 0;
        while start < stop {
            if start >= scores.keep {
                start = start.max(seen);
                if start >= stop {
                    break;
                }
            }
            let mut tile = TILE.min(stop - start);
            if start < scores.keep.min(seen) {
                tile = tile.min(scores.keep.min(seen) - start);
            }
            let keys = wide(&self.k[(kv_line * t + start) * d..][..tile * d], k);
            let values = wide(&self.v[(kv_line * t + start) * dv..][..tile * dv], v);
            let weights = &mut weights[..rows * tile];
            matmul(
                MatMut::from_row_major_slice_mut(weights, rows, tile),
                Accum::Replace,
                MatRef::from_row_major_slice(q, rows, d),
                MatRef::from_row_major_slice(keys, tile, d).transpose(),
                1.0,
                Par::Seq,
            );
            for (row, running) in running[..rows].iter_mut().enumerate() {
                let weights = &mut weights[row * tile..][..tile];
                let end = end(row).clamp(start, start + tile) - start;
                let (weights, after) = weights.split_at_mut(end);
                after.fill(0.0);
                let begin = if causal { scores.first((t + first + row).saturating_sub(s)) } else { 0 };
                let kept = scores.keep.saturating_sub(start).min(end);
                let begin = begin.saturating_sub(start).clamp(kept, end);
                // Between the kept keys and the window a row may have a gap: each side of it is weighed on its own.
                let factor = if kept == begin {
                    weigh(weights, scores, running)
                } else {
                    let (low, high) = weights.split_at_mut(begin);
                    low[kept..].fill(0.0);
                    let one = weigh(&mut low[..kept], scores, running);
                    let other = weigh(high, scores, running);
                    low[..kept].iter_mut().for_each(|weight| *weight *= other);
                    one * other
                };
                if factor != 1.0 {
                    sums[row * dv..][..dv].iter_mut().for_each(|sum| *sum *= factor);
                }
            }
            if dv > 0 {
                matmul(
                    MatMut::from_row_major_slice_mut(sums, rows, dv),
                    Accum::Add,
                    MatRef::from_row_major_slice(weights, rows, tile),
                    MatRef::from_row_major_slice(values, tile, dv),
                    1.0,
                    Par::Seq,
                );
            }
            start += tile;
        }
        for (row, (running, lse)) in running.iter().zip(lse).enumerate() {
            *lse = running.lse();
            if running.total != 0.0 {
                let inverse = 1.0 / running.total;
                sums[row * dv..][..dv].iter_mut().for_each(|sum| *sum *= inverse);
            }
        }
        T::round(sums, out);
    }
}
