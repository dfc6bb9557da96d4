//! Native path: stretches of the result on all threads; each run is summed where it is read, by its place in the bytes.

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor, with_element};

use super::Plan;
use crate::host::packed;
use crate::pack::checksum::{LENGTH, pairs};

/// Bytes of a task: half of a first-level cache.
const TASK: usize = 1 << 14;
/// Bytes below which threads cost more than they give.
const SERIAL: usize = 1 << 18;

pub(super) fn unpack(bytes: &Tensor, plan: &Plan) -> Result<(Tensor, Tensor)> {
    let source: &[u8] = &packed(bytes)?;
    let mut out = Tensor::empty(&Stream::cpu(), plan.dtype, plan.out.as_slice())?;
    let sum = with_element!(plan.dtype, T => scatter(source, plan, bytemuck::cast_slice_mut(out.as_slice_mut::<T>()?)));
    let sum = sum.wrapping_add((source.len() as u64).wrapping_mul(LENGTH));
    Ok((out, Tensor::from_vec(vec![sum], [1])?))
}

fn scatter(source: &[u8], plan: &Plan, out: &mut [u8]) -> u64 {
    let size = plan.dtype.size();
    let run = plan.from.run();
    // Pairs of words have their keys by their place: runs that are whole pairs are summed by themselves.
    let whole = (run * size).is_multiple_of(8);
    let one = |(task, out): (usize, &mut [u8])| {
        let (mut at, mut rest, mut sum) = (task * (TASK / size), out, 0u64);
        while !rest.is_empty() {
            let taken = (run - at % run).min(rest.len() / size);
            let (now, later) = rest.split_at_mut(taken * size);
            let start = plan.from.place(at) * size;
            now.copy_from_slice(&source[start..][..taken * size]);
            if whole {
                sum = sum.wrapping_add(Arch::new().dispatch(|| pairs(now, start / 8)));
            }
            rest = later;
            at += taken;
        }
        sum
    };
    if out.len() <= SERIAL {
        let sum = out.chunks_mut(TASK).enumerate().map(one).fold(0, u64::wrapping_add);
        return if whole { sum } else { pairs(source, 0) };
    }
    let tasks = out.par_chunks_mut(TASK).enumerate().with_min_len(4);
    let sum = tasks.map(one).reduce(|| 0, u64::wrapping_add);
    if whole {
        return sum;
    }
    let tasks = source.par_chunks(TASK).enumerate().with_min_len(4);
    let sum = tasks.map(|(task, bytes)| Arch::new().dispatch(|| pairs(bytes, task * (TASK / 8))));
    sum.reduce(|| 0, u64::wrapping_add)
}
