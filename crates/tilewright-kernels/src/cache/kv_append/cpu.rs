//! Native path: rows are copied on as many threads as move them faster than one.

use rayon::prelude::*;
use tilewright_core::{Error, Result, Tensor, with_element};

use super::NAME;

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
    let slots = slots.to_vec::<i64>()?;
    // Before anything is written.
    if let Some(slot) = slots.iter().find(|&&slot| slot >= 0 && slot as usize >= capacity) {
        return Err(Error::range(NAME, "slots", format!("below {capacity}, the slots of the cache"), slot));
    }
    for (source, cache) in [(k, k_cache), (v, v_cache)] {
        let row = source.dims()[1] * source.dims()[2] * source.dtype().size();
        if row == 0 {
            continue;
        }
        let packed;
        let bytes: &[u8] = if source.is_contiguous() {
            with_element!(source.dtype(), T => bytemuck::cast_slice(source.as_slice::<T>()?))
        } else {
            packed = source.to_bytes()?;
            &packed
        };
        with_element!(source.dtype(), T => scatter(bytes, &slots, row, bytemuck::cast_slice_mut(cache.as_slice_mut::<T>()?)));
    }
    Ok(())
}

/// Tasks own stretches of the cache, so that none writes what another does: each takes the tokens whose slots lie in its own.
fn scatter(source: &[u8], slots: &[i64], row: usize, cache: &mut [u8]) {
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
    tasks.into_par_iter().for_each(|(first, mine, cache)| {
        mine.iter().for_each(|&(slot, token)| copy(token, slot, first, cache));
    });
}
