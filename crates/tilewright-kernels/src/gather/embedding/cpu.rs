//! Native path.

use rayon::prelude::*;
use tilewright_core::{Element, Result, Stream, Tensor, with_element};

use super::{NAME, checked};
use crate::parallel::Each;

/// Elements below which a thread more costs more than it gives.
const TASK: usize = 1 << 15;

pub(super) fn embedding(table: &Tensor, ids: &Tensor, shape: &[usize]) -> Result<Tensor> {
    with_element!(table.dtype(), T => rows::<T>(table, ids, shape))
}

fn rows<T: Element>(table: &Tensor, ids: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (d, ids) = (table.dims()[1], checked(NAME, ids, table.dims()[0])?);
    let mut out = Tensor::empty(&Stream::cpu(), T::DTYPE, shape)?;
    if out.is_empty() {
        return Ok(out);
    }
    let table = table.to_host()?;
    let table = table.as_slice::<T>()?;
    let each = out.as_slice_mut::<T>()?.par_chunks_mut(d).zip(&ids).with_min_len((TASK / d).max(1));
    each.each(&|(out, &id)| out.copy_from_slice(&table[id as usize * d..][..d]));
    Ok(out)
}
