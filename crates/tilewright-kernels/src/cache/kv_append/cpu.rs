//! Native path: rows are copied on as many threads as move them faster than one.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor, with_element};

use super::NAME;
use crate::parallel::Each;

/// Bytes of a task: below two of them threads cost more than they give.
const TASK: usize = 1 << 18;

pub(super) fn kv_append(
    k: &Tensor,
    v: &Tensor,
    slots: &Tensor,
    capacity: usize,
    k_cache: &mut Tensor,
    v_cache: &mut Tensor,
) -> Result<()> {
    let slots = checked(NAME, slots, capacity)?;
    scatter(k, &slots, k_cache)?;
    scatter(v, &slots, v_cache)
}

/// The slots, before anything is written: none beyond the cache.
pub(in crate::cache) fn checked(
    operation: &'static str,
    slots: &Tensor,
    capacity: usize,
) -> Result<Vec<i64>> {
    let slots = slots.to_vec::<i64>()?;
    match slots.iter().find(|&&slot| slot >= 0 && slot as usize >= capacity) {
        Some(slot) => {
            Err(Error::range(operation, "slots", format!("below {capacity}, the slots of the cache"), slot))
        }
        None => Ok(slots),
    }
}

/// Writes the tokens of `source` into their slots.
pub(in crate::cache) fn scatter(source: &Tensor, slots: &[i64], cache: &mut Tensor) -> Result<()> {
    let row = source.dims()[1..].iter().product::<usize>() * source.dtype().size();
    if row == 0 {
        return Ok(());
    }
    let packed;
    let bytes: &[u8] = if source.is_contiguous() {
        with_element!(source.dtype(), T => bytemuck::cast_slice(source.as_slice::<T>()?))
    } else {
        packed = source.to_bytes()?;
        &packed
    };
    with_element!(source.dtype(), T => rows(bytes, slots, row, bytemuck::cast_slice_mut(cache.as_slice_mut::<T>()?)));
    Ok(())
}

/// Tasks own stretches of the cache, so that none writes what another does: each takes the tokens whose slots lie in its own.
fn rows(source: &[u8], slots: &[i64], row: usize, cache: &mut [u8]) {
    let copy = |token: usize, slot: usize, first: usize, cache: &mut [u8]| {
        cache[(slot - first) * row..][..row].copy_from_slice(&source[token * row..][..row]);
    };
    if source.len() < 2 * TASK {
        for (token, &slot) in slots.iter().enumerate().filter(|&(_, &slot)| slot >= 0) {
            copy(token, slot as usize, 0, cache);
        }
        return;
    }
    let mut order: Vec<(usize, usize)> = slots
        .iter()
        .enumerate()
        .filter(|&(_, &slot)| slot >= 0)
        .map(|(token, &slot)| (slot as usize, token))
        .collect();
    order.sort_unstable();
    let stretch = (TASK / row).max(1);
    let mut tasks = Vec::new();
    let mut rest = order.as_slice();
    for (index, cache) in cache.chunks_mut(stretch * row).enumerate() {
        let (mine, others) = rest.split_at(rest.partition_point(|&(slot, _)| slot < (index + 1) * stretch));
        rest = others;
        if !mine.is_empty() {
            tasks.push((index * stretch, mine, cache));
        }
    }
    tasks.into_par_iter().each(&|(first, mine, cache)| {
        mine.iter().for_each(|&(slot, token)| copy(token, slot, first, cache));
    });
}
