//! Native path: each task owns a stretch of tokens of a sequence, or of a head of one.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Stream, Tensor, with_element};

use super::{NAME, Plan};
use crate::parallel::Each;

/// Bytes below which threads cost more than they give.
const SERIAL: usize = 1 << 18;

pub(super) fn kv_gather(cache: &Tensor, table: &Tensor, lengths: &Tensor, plan: &Plan) -> Result<Tensor> {
    let (table, lengths) = (table.to_vec::<i32>()?, lengths.to_vec::<i32>()?);
    for (sequence, &length) in lengths.iter().enumerate() {
        if usize::try_from(length).map_or(true, |length| length > plan.tokens) {
            return Err(Error::range(NAME, "lengths", format!("0 to {}", plan.tokens), length));
        }
        let needed = &table[sequence * plan.entries..][..(length as usize).div_ceil(plan.block.max(1))];
        if let Some(number) = needed.iter().find(|&&number| number < 0 || number as usize >= plan.blocks) {
            return Err(Error::range(NAME, "table", format!("0 to {}", plan.blocks as i64 - 1), number));
        }
    }
    let mut out = Tensor::empty(&Stream::cpu(), cache.dtype(), plan.out.as_slice())?;
    if out.is_empty() {
        return Ok(out);
    }
    let packed;
    let bytes: &[u8] = if cache.is_contiguous() {
        with_element!(cache.dtype(), T => bytemuck::cast_slice(cache.as_slice::<T>()?))
    } else {
        packed = cache.to_bytes()?;
        &packed
    };
    with_element!(cache.dtype(), T => {
        fill(bytes, &table, &lengths, plan, bytemuck::cast_slice_mut(out.as_slice_mut::<T>()?));
    });
    Ok(out)
}

fn fill(cache: &[u8], table: &[i32], lengths: &[i32], plan: &Plan, out: &mut [u8]) {
    // Heads first: a line is a head of a sequence, and a token of it one row. Tokens first: a line is a sequence, and a token all its heads.
    let (lines, taken) = if plan.heads_first { (plan.heads, plan.row) } else { (1, plan.heads * plan.row) };
    let all = plan.heads * plan.row;
    let one = |(at, part): (usize, &mut [u8])| {
        // Parts of one block's tokens, so that each reads one stretch of the cache.
        let parts = plan.tokens.div_ceil(plan.block);
        let (line, first) = (at / parts, at % parts * plan.block);
        let (sequence, head) = (line / lines, line % lines);
        let known = (lengths[sequence] as usize).saturating_sub(first).min(part.len() / taken);
        let (copied, rest) = part.split_at_mut(known * taken);
        rest.fill(0);
        if known == 0 {
            return;
        }
        let block = table[sequence * plan.entries + first / plan.block] as usize * plan.block * all;
        if plan.heads_first {
            for (token, target) in copied.chunks_exact_mut(taken).enumerate() {
                target.copy_from_slice(&cache[block + token * all + head * taken..][..taken]);
            }
        } else {
            copied.copy_from_slice(&cache[block..][..known * taken]);
        }
    };
    let serial = out.len() <= SERIAL;
    let lines = out.chunks_mut(plan.tokens * taken);
    let parts: Vec<&mut [u8]> = lines.flat_map(|line| line.chunks_mut(plan.block * taken)).collect();
    if serial {
        parts.into_iter().enumerate().for_each(one);
    } else {
        let together = (SERIAL / (plan.block * taken)).max(1);
        parts.into_par_iter().enumerate().with_min_len(together).each(&one);
    }
}
