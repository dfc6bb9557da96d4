//! Native path: stretches of each tensor's bytes on all threads, each summed while it is in the cache.

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor, with_element};

use crate::pack::checksum::{LENGTH, pairs};
use crate::pack::moves::Moves;

/// Bytes of a task: half of a first-level cache.
const TASK: usize = 1 << 14;
/// Bytes below which threads cost more than they give.
const SERIAL: usize = 1 << 18;

pub(super) fn pack(
    parts: &[(&Tensor, Moves)],
    places: &[Range<usize>],
    end: usize,
) -> Result<(Tensor, Tensor)> {
    let mut bytes = Tensor::empty(&Stream::cpu(), DType::U8, [end])?;
    let mut checksums = Vec::with_capacity(parts.len());
    let mut rest = bytes.as_slice_mut::<u8>()?;
    let mut done = 0;
    for ((x, moves), place) in parts.iter().zip(places) {
        let (gap, others) = rest.split_at_mut(place.start - done);
        gap.fill(0);
        let (own, others) = others.split_at_mut(place.len());
        (rest, done) = (others, place.end);
        let source: &[u8] = with_element!(x.dtype(), T => bytemuck::cast_slice(x.host_elements::<T>()?));
        let offset = x.layout().offset();
        checksums.push(gather(source, offset, moves, x.dtype().size(), own));
    }
    let count = checksums.len();
    Ok((bytes, Tensor::from_vec(checksums, [count])?))
}

/// Fills `out` with the elements of `moves`, which start at element `offset` of `source`, and gives the checksum.
fn gather(source: &[u8], offset: usize, moves: &Moves, size: usize, out: &mut [u8]) -> u64 {
    let total = (out.len() as u64).wrapping_mul(LENGTH);
    let one = |(task, out): (usize, &mut [u8])| {
        let first = task * TASK;
        fill(source, offset, moves, size, first / size, out);
        Arch::new().dispatch(|| pairs(out, first / 8))
    };
    let sum: u64 = if out.len() <= SERIAL {
        out.chunks_mut(TASK).enumerate().map(one).fold(0, u64::wrapping_add)
    } else {
        let tasks = out.par_chunks_mut(TASK).enumerate().with_min_len(4);
        tasks.map(one).reduce(|| 0, u64::wrapping_add)
    };
    total.wrapping_add(sum)
}

/// Fills `out` from element `at` of the row-major order on.
fn fill(source: &[u8], offset: usize, moves: &Moves, size: usize, mut at: usize, out: &mut [u8]) {
    let run = moves.run();
    let mut rest = out;
    while !rest.is_empty() {
        let taken = (run - at % run).min(rest.len() / size);
        let (now, later) = rest.split_at_mut(taken * size);
        now.copy_from_slice(&source[(offset + moves.place(at)) * size..][..taken * size]);
        rest = later;
        at += taken;
    }
}
