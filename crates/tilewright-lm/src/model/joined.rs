//! Tensors one after another in one piece of memory.

use tilewright_core::{Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::copy_into;

use super::NAME;

/// The parts along their first axis, `[n1 + n2 + .., ..]`, row-major. All have the same other extents and dtype.
pub(super) fn joined(stream: &Stream, parts: &[&Tensor]) -> Result<Tensor> {
    let first = parts.first().ok_or_else(|| Error::range(NAME, "parts", "at least one", 0))?;
    let rows = parts.iter().map(|part| part.dims()[0]).sum();
    let shape = [&[rows], &first.dims()[1..]].concat();
    let mut whole = Tensor::empty(stream, first.dtype(), shape)?;
    let mut start = 0;
    for part in parts {
        let end = start + part.dims()[0];
        // A part that is written must be the only tensor of its memory, so the whole is put together again after each.
        let layout = *whole.layout();
        let mut place = whole.slice(0, start..end)?;
        drop(whole);
        copy_into(stream, part, &mut place)?;
        whole = Tensor::from_buffer(place.buffer().clone(), place.dtype(), layout)?;
        start = end;
    }
    Ok(whole)
}
