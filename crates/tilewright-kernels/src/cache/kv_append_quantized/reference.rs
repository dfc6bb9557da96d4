//! The truth: a token's head at a time, quantised as the truth of `quantize` does.

use tilewright_core::Result;

use crate::pack::Quantize;
use crate::pack::quantize::reference::row;

/// Writes the heads `[t, heads, d]` into their slots.
pub(super) fn append(
    x: &[f64],
    slots: &[i64],
    [heads, d]: [usize; 2],
    args: &Quantize,
    values: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    for (token, &slot) in slots.iter().enumerate().filter(|(_, slot)| **slot >= 0) {
        for head in 0..heads {
            let (bytes, own) = row(&x[(token * heads + head) * d..][..d], args)?;
            let to = slot as usize * heads + head;
            values[to * bytes.len()..][..bytes.len()].copy_from_slice(&bytes);
            scales[to * own.len()..][..own.len()].copy_from_slice(&own);
        }
    }
    Ok(())
}
