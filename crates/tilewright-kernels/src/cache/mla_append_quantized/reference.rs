//! The truth: a token's parts one after the other, quantised as the truth of `quantize` does.

use tilewright_core::Result;

use crate::pack::Quantize;
use crate::pack::quantize::reference::row;

/// Writes the rows of both parts side by side into their slots.
pub(super) fn append(
    parts: [&[f64]; 2],
    lengths: [usize; 2],
    slots: &[i64],
    args: &Quantize,
    values: &mut [u8],
    scales: &mut [f32],
) -> Result<()> {
    for (token, &slot) in slots.iter().enumerate().filter(|(_, slot)| **slot >= 0) {
        let (mut bytes, mut own) = (Vec::new(), Vec::new());
        for (part, length) in parts.iter().zip(lengths) {
            let (more_bytes, more_scales) = row(&part[token * length..][..length], args)?;
            bytes.extend(more_bytes);
            own.extend(more_scales);
        }
        values[slot as usize * bytes.len()..][..bytes.len()].copy_from_slice(&bytes);
        scales[slot as usize * own.len()..][..own.len()].copy_from_slice(&own);
    }
    Ok(())
}
