//! Native path: all tokens are quantised, then their bytes are moved.

use tilewright_core::{Result, Stream, Tensor};

use super::NAME;
use crate::cache::kv_append::cpu::{checked, scatter};
use crate::pack::{Quantized, quantize};

pub(super) fn kv_append_quantized(
    stream: &Stream,
    k: &Tensor,
    v: &Tensor,
    slots: &Tensor,
    capacity: usize,
    k_cache: &mut Quantized,
    v_cache: &mut Quantized,
) -> Result<()> {
    let slots = checked(NAME, slots, capacity)?;
    for (source, cache) in [(k, k_cache), (v, v_cache)] {
        let (values, scales) = quantize(stream, source, cache.args())?;
        for (part, cache) in [values, scales].iter().zip(cache.parts_mut()) {
            scatter(part, &slots, cache)?;
        }
    }
    Ok(())
}
