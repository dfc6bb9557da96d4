//! Native path: stretches of the target's memory on all threads; each run is summed where it is read, by its place in the bytes.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{Result, Tensor, with_element};

use super::Plan;
use crate::host::packed;
use crate::pack::checksum::{LENGTH, pairs};

/// Bytes of a task: half of a first-level cache.
const TASK: usize = 1 << 14;
/// Bytes below which threads cost more than they give.
const SERIAL: usize = 1 << 18;

pub(super) fn unpack(bytes: &Tensor, plan: &Plan, out: &mut Tensor) -> Result<Tensor> {
    let source: &[u8] = &packed(bytes)?;
    let (size, span) = (out.dtype().size(), out.layout().offset()..out.layout().end());
    let sum = with_element!(out.dtype(), T => {
        scatter(source, size, plan, bytemuck::cast_slice_mut(&mut out.host_elements_mut::<T>()?[span]))
    });
    Tensor::from_vec(vec![sum.wrapping_add((source.len() as u64).wrapping_mul(LENGTH))], [1])
}

/// Fills `out`, the target's memory from its first element to its last.
fn scatter(source: &[u8], size: usize, plan: &Plan, out: &mut [u8]) -> u64 {
    let (total, task) = (source.len() / size, TASK / size);
    let (run, there) = (plan.from.run(), plan.there.run());
    // Pairs of words have their keys by their place: runs that are whole pairs are summed by themselves.
    let whole = (run * size).is_multiple_of(8) && (there * size).is_multiple_of(8);
    // A target without gaps needs no division to find its places.
    let solid = there == total;
    let place = |at| if solid { at } else { plan.there.place(at) };
    let one = |(first, out): (usize, &mut [u8])| {
        let (begin, end) = (place(first), total.min(first + task));
        let (mut at, mut sum) = (first, 0u64);
        while at < end {
            let left = if solid { end - at } else { (there - at % there).min(end - at) };
            let taken = (run - at % run).min(left);
            let start = plan.from.place(at) * size;
            let now = &source[start..][..taken * size];
            out[(place(at) - begin) * size..][..taken * size].copy_from_slice(now);
            if whole {
                sum = sum.wrapping_add(Arch::new().dispatch(|| pairs(now, start / 8)));
            }
            at += taken;
        }
        sum
    };
    // In the order of its memory, no stretch of the target reaches into the next.
    let (mut rest, mut done) = (out, 0);
    let firsts = (0..total).step_by(task);
    let stretches = firsts.map(|first| {
        let next = first + task;
        let end = if next < total { place(next) } else { done + rest.len() / size };
        let (own, later) = std::mem::take(&mut rest).split_at_mut((end - done) * size);
        (rest, done) = (later, end);
        (first, own)
    });
    if source.len() <= SERIAL {
        let sum = stretches.map(one).fold(0, u64::wrapping_add);
        return if whole { sum } else { pairs(source, 0) };
    }
    let stretches: Vec<_> = stretches.collect();
    let sum = stretches.into_par_iter().with_min_len(4).map(one).reduce(|| 0, u64::wrapping_add);
    if whole {
        return sum;
    }
    let tasks = source.par_chunks(TASK).enumerate().with_min_len(4);
    let sum = tasks.map(|(task, bytes)| Arch::new().dispatch(|| pairs(bytes, task * (TASK / 8))));
    sum.reduce(|| 0, u64::wrapping_add)
}
