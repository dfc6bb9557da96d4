//! Native path: a token's two parts, one token after the other; a step's bytes are few.

use tilewright_core::{Result, Tensor, with_element};

use super::NAME;
use crate::cache::kv_append::cpu::checked;

pub(super) fn mla_append(
    parts: [&Tensor; 2],
    slots: &Tensor,
    capacity: usize,
    cache: &mut Tensor,
) -> Result<()> {
    let slots = checked(NAME, slots, capacity)?;
    let width = cache.dims()[2] * cache.dtype().size();
    let mut first = 0;
    for part in parts {
        let row = part.dims()[1] * part.dtype().size();
        let bytes = part.to_bytes()?;
        with_element!(part.dtype(), T => {
            let cache: &mut [u8] = bytemuck::cast_slice_mut(cache.as_slice_mut::<T>()?);
            for (token, &slot) in slots.iter().enumerate().filter(|(_, slot)| **slot >= 0) {
                cache[slot as usize * width + first..][..row].copy_from_slice(&bytes[token * row..][..row]);
            }
        });
        first += row;
    }
    Ok(())
}
