//! Native path: places sorted by their ids, then the rows of the table on all threads.

use rayon::prelude::*;
use tilewright_core::{Result, Stream, Tensor};

use super::NAME;
use crate::gather::embedding::checked;
use crate::parallel::Each;
use crate::reduce::number::{Accumulator, LEAF, Number, with_float};

/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 15;

pub(super) fn embedding_bw(dy: &Tensor, ids: &Tensor, n: usize, d: usize) -> Result<Tensor> {
    with_float!(dy.dtype(), T => sums::<T>(dy, ids, n, d))
}

fn sums<T: Number>(dy: &Tensor, ids: &Tensor, n: usize, d: usize) -> Result<Tensor> {
    let ids = checked(NAME, ids, n)?;
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, [n, d])?;
    if out.is_empty() {
        return Ok(out);
    }
    // Counting sort: `next[id]` is where the next place of that id goes, and at last where its places end.
    let mut counts = vec![0usize; n];
    ids.iter().for_each(|&id| counts[id as usize] += 1);
    let mut sum = 0;
    let mut next = Vec::with_capacity(n);
    for count in &counts {
        next.push(sum);
        sum += count;
    }
    let mut places = vec![0usize; ids.len()];
    for (place, &id) in ids.iter().enumerate() {
        places[next[id as usize]] = place;
        next[id as usize] += 1;
    }
    let dy = dy.to_host()?;
    let dy = dy.as_slice::<T>()?;
    let each = out.as_slice_mut::<T>()?.par_chunks_mut(d).enumerate().with_min_len((TASK / d).max(1));
    each.each(&|(id, out)| {
        let of_id = &places[next[id] - counts[id]..next[id]];
        let mut stage = [T::Sum::ZERO; LEAF];
        for (leaf, out) in out.chunks_mut(LEAF).enumerate() {
            T::store(out, |out| {
                out.fill(T::Sum::ZERO);
                for place in of_id {
                    let row = T::load(&dy[place * d + leaf * LEAF..][..out.len()], &mut stage);
                    for (sum, &dy) in out.iter_mut().zip(row) {
                        *sum = sum.plus(dy);
                    }
                }
            });
        }
    });
    Ok(out)
}
