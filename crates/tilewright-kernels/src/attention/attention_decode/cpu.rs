//! Native path: a task has a part of a sequence and one head of keys, whose rows it reads once for all queries of the group.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Element, Error, Result, Stream, Tensor, bf16, f16};

use super::{NAME, Paged, Plan, pitch};
use crate::attention::{Attended, LANES, Running, folded, weigh};
use crate::gemm::number::{Number, Rounded};
use crate::host::packed;
use crate::pack::Quantize;
use crate::pack::dequantize::cpu::numbers;
use crate::pack::quantize::extents;

/// Tokens that a task takes at a time.
const TILE: usize = 64;
/// Tokens of the least part worth a task of its own.
const LEAST: usize = 512;
/// Multiply-adds below which threads cost more than they give.
const SERIAL: usize = 1 << 16;

pub(super) fn attention_decode(
    q: &Tensor,
    caches: [Paged<'_>; 2],
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    match q.dtype() {
        DType::F16 => run::<f16>(q, caches, table, lengths, plan),
        DType::Bf16 => run::<bf16>(q, caches, table, lengths, plan),
        _ => run::<f32>(q, caches, table, lengths, plan),
    }
}

fn check(table: &[i32], lengths: &[i32], plan: &Plan) -> Result<()> {
    for (sequence, &length) in lengths.iter().enumerate() {
        if usize::try_from(length).map_or(true, |length| length > plan.capacity()) {
            return Err(Error::range(NAME, "lengths", format!("0 to {}", plan.capacity()), length));
        }
        let needed = &table[sequence * plan.entries..][..(length as usize).div_ceil(plan.block.max(1))];
        // A block between the kept tokens and the window may be anything: it has been given back.
        let gap = gap(length as usize, plan);
        let read = |at: usize| {
            let tokens = at * plan.block..(at + 1) * plan.block;
            tokens.start < gap.start || tokens.end > gap.end
        };
        let bad = |&(at, &number): &(usize, &i32)| read(at) && (number < 0 || number as usize >= plan.blocks);
        if let Some((_, number)) = needed.iter().enumerate().find(bad) {
            return Err(Error::range(NAME, "table", format!("0 to {}", plan.blocks as i64 - 1), number));
        }
    }
    Ok(())
}

/// Tokens between the kept ones and the window.
fn gap(length: usize, plan: &Plan) -> std::ops::Range<usize> {
    let first = plan.scores.first(length.saturating_sub(1));
    plan.scores.keep.min(first)..first
}

fn run<T: Number<Sum = f32> + Rounded<f32>>(
    q: &Tensor,
    [k, v]: [Paged<'_>; 2],
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    let (table, lengths) = (table.to_vec::<i32>()?, lengths.to_vec::<i32>()?);
    check(&table, &lengths, plan)?;
    let &Plan { b, heads, kv_heads, d, dv, .. } = plan;
    let (q, k, v) = (packed::<T>(q)?, Rows::<T>::of(k, d)?, Rows::<T>::of(v, dv)?);
    let mut wide = vec![0.0; q.len()];
    T::widen(&q, &mut wide);
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, [b, heads, dv])?;
    let mut lse = vec![f32::NEG_INFINITY; b * heads];
    if b * heads > 0 {
        let wanted = (4 * rayon::current_num_threads()).div_ceil(b * kv_heads);
        let splits = match plan.splits {
            0 => wanted.clamp(1, (plan.capacity() / LEAST).max(1)),
            splits => splits.min(plan.capacity().max(1)),
        };
        let group = plan.group();
        let cache = Cache { plan, k, v };
        let one = |task: usize| {
            let (sequence, kv_head) = (task / splits / kv_heads, task / splits % kv_heads);
            let queries = &wide[(sequence * heads + kv_head * group) * d..][..group * d];
            let table = &table[sequence * plan.entries..][..plan.entries];
            cache.part(queries, table, lengths[sequence] as usize, kv_head, [task % splits, splits])
        };
        let tasks = b * kv_heads * splits;
        let parts: Vec<Part> = if b * heads * plan.capacity() * (d + dv) <= SERIAL {
            (0..tasks).map(one).collect::<Result<_>>()?
        } else {
            (0..tasks).into_par_iter().map(one).collect::<Result<_>>()?
        };
        let out = out.as_slice_mut::<T>()?;
        let mut sums = vec![0.0; dv];
        for (index, lse) in lse.iter_mut().enumerate() {
            let parts = &parts[index / group * splits..][..splits];
            let row = index % group;
            let tops = parts.iter().map(|part| part.running[row].top);
            let top = tops.fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a });
            let mut total = 0.0;
            sums.fill(0.0);
            for part in parts.iter().filter(|part| part.running[row].total != 0.0) {
                let factor = part.running[row].kept(top);
                total += part.running[row].total * factor;
                sums.iter_mut().zip(&part.sums[row * dv..]).for_each(|(sum, part)| *sum += factor * part);
            }
            *lse = Running { top, total }.lse();
            if total != 0.0 {
                sums.iter_mut().for_each(|sum| *sum /= total);
            }
            T::round(&sums, &mut out[index * dv..][..dv]);
        }
    }
    Ok(Attended { out, lse: Tensor::from_vec(lse, [b, heads])? })
}

/// What the queries of a group read of a part.
struct Part {
    running: Vec<Running>,
    /// `[group, dv]`, relative to each query's largest score.
    sums: Vec<f32>,
}

/// Rows of a cache: heads of tokens.
enum Rows<'a, T: Element> {
    Plain {
        rows: Cow<'a, [T]>,
        /// Elements from one row to the next.
        pitch: usize,
    },
    Quantized {
        bytes: Cow<'a, [u8]>,
        scales: Cow<'a, [f32]>,
        args: Quantize,
        /// Bytes, numbers of a scale, and scales of a row.
        extents: [usize; 3],
        /// Bytes and scales from one row to the next.
        pitches: [usize; 2],
    },
}

impl<'a, T: Number<Sum = f32>> Rows<'a, T> {
    fn of(cache: Paged<'a>, d: usize) -> Result<Self> {
        Ok(match cache {
            Paged::Plain(x) => match pitch(x) {
                Some(pitch) if !x.is_empty() => {
                    let rows = &x.host_elements::<T>()?[x.layout().offset()..];
                    Rows::Plain { rows: Cow::Borrowed(rows), pitch }
                }
                _ => Rows::Plain { rows: packed(x)?, pitch: d },
            },
            Paged::Quantized(x) => {
                let args = *x.args();
                let extents = extents(NAME, d, args.format, args.bits, args.block)?;
                let [width, _, groups] = extents;
                let (bytes, pitch) = match pitch(x.values()) {
                    Some(pitch) if !x.values().is_empty() => {
                        // One byte each, whatever they are.
                        let bytes = x.values().buffer().host().unwrap_or_default();
                        (Cow::Borrowed(&bytes[x.values().layout().offset()..]), pitch)
                    }
                    _ => (Cow::Owned(x.values().to_bytes()?), width),
                };
                let (scales, scale_pitch) = match super::pitch(x.scales()) {
                    Some(pitch) if !x.scales().is_empty() => {
                        let scales = &x.scales().host_elements::<f32>()?[x.scales().layout().offset()..];
                        (Cow::Borrowed(scales), pitch)
                    }
                    _ => (packed(x.scales())?, groups),
                };
                Rows::Quantized { bytes, scales, args, extents, pitches: [pitch, scale_pitch] }
            }
        })
    }

    fn widen(&self, row: usize, out: &mut [f32]) -> Result<()> {
        match self {
            Rows::Plain { rows, pitch } => T::widen(&rows[row * pitch..][..out.len()], out),
            Rows::Quantized { bytes, scales, args, extents: [width, group, groups], pitches } => {
                let bytes = &bytes[row * pitches[0]..][..*width];
                numbers(out, bytes, &scales[row * pitches[1]..][..*groups], *group, args);
            }
        }
        Ok(())
    }
}

struct Cache<'a, T: Element> {
    plan: &'a Plan,
    k: Rows<'a, T>,
    v: Rows<'a, T>,
}

impl<T: Number<Sum = f32>> Cache<'_, T> {
    fn part(
        &self,
        queries: &[f32],
        table: &[i32],
        length: usize,
        kv_head: usize,
        [split, splits]: [usize; 2],
    ) -> Result<Part> {
        let &Plan { kv_heads, d, dv, block, scores, .. } = self.plan;
        let group = self.plan.group();
        let mut part = Part { running: vec![Running::NOTHING; group], sums: vec![0.0; group * dv] };
        let gap = gap(length, self.plan);
        let count = length - gap.len();
        let size = count.div_ceil(splits);
        let (begin, end) = ((split * size).min(count), ((split + 1) * size).min(count));
        let (mut keys, mut values) = (vec![0.0; TILE * d], vec![0.0; TILE * dv]);
        let mut weights = vec![0.0; group * TILE];
        for first in (begin..end).step_by(TILE) {
            let tokens = TILE.min(end - first);
            let rows = (first..first + tokens).map(|at| {
                let token = if at < gap.start { at } else { at + gap.len() };
                (table[token / block] as usize * block + token % block) * kv_heads + kv_head
            });
            for (at, row) in rows.enumerate() {
                self.k.widen(row, &mut keys[at * d..][..d])?;
                self.v.widen(row, &mut values[at * dv..][..dv])?;
            }
            let products = &mut weights[..group * tokens];
            Arch::new().dispatch(Dots { d, queries, keys: &keys[..tokens * d], products });
            for (row, running) in part.running.iter_mut().enumerate() {
                let weights = &mut products[row * tokens..][..tokens];
                let factor = weigh(weights, scores, running);
                let (sums, values) = (&mut part.sums[row * dv..][..dv], &values[..tokens * dv]);
                Arch::new().dispatch(Means { sums, factor, weights, values });
            }
        }
        Ok(part)
    }
}

/// `products [group, tokens]` of `queries [group, d]` and `keys [tokens, d]`.
struct Dots<'a> {
    d: usize,
    queries: &'a [f32],
    keys: &'a [f32],
    products: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Dots { d, queries, keys, products } = self;
        let tokens = keys.len() / d;
        for (token, key) in keys.chunks_exact(d).enumerate() {
            for (row, query) in queries.chunks_exact(d).enumerate() {
                let (key_lines, key_tail) = key.as_chunks::<LANES>();
                let (query_lines, query_tail) = query.as_chunks::<LANES>();
                let mut sums = [0.0f32; LANES];
                for (key, query) in key_lines.iter().zip(query_lines) {
                    for lane in 0..LANES {
                        sums[lane] = key[lane].mul_add(query[lane], sums[lane]);
                    }
                }
                for ((sum, key), query) in sums.iter_mut().zip(key_tail).zip(query_tail) {
                    *sum = key.mul_add(*query, *sum);
                }
                products[row * tokens + token] = folded(sums);
            }
        }
    }
}

/// `sums = factor sums + weights values`
struct Means<'a> {
    sums: &'a mut [f32],
    factor: f32,
    weights: &'a [f32],
    values: &'a [f32],
}

impl WithSimd for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let dv = self.sums.len();
        let mut first = 0;
        // So many columns' sums stay in registers over all tokens.
        const COLUMNS: usize = 4 * LANES;
        let (blocks, tail) = self.sums.as_chunks_mut::<COLUMNS>();
        for sums in blocks {
            let mut own = *sums;
            own.iter_mut().for_each(|sum| *sum *= self.factor);
            for (&weight, row) in self.weights.iter().zip(self.values.chunks_exact(dv)) {
                let row: &[f32; COLUMNS] = row[first..first + COLUMNS].try_into().expect("so many columns");
                for (sum, value) in own.iter_mut().zip(row) {
                    *sum = weight.mul_add(*value, *sum);
                }
            }
            *sums = own;
            first += COLUMNS;
        }
        tail.iter_mut().for_each(|sum| *sum *= self.factor);
        if tail.is_empty() {
            return;
        }
        for (&weight, row) in self.weights.iter().zip(self.values.chunks_exact(dv)) {
            for (sum, value) in tail.iter_mut().zip(&row[first..]) {
                *sum = weight.mul_add(*value, *sum);
            }
        }
    }
}
