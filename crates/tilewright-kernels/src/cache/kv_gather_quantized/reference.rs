//! The truth: an element at a time.

use tilewright_core::{DType, bf16, f16};

use crate::pack::Quantize;
use crate::pack::dequantize::reference::number;

/// A cache on the host: bytes, scales, and how both lie.
pub(super) struct Cache<'a> {
    pub(super) values: &'a [u8],
    pub(super) scales: &'a [f32],
    pub(super) args: Quantize,
    /// Bytes, numbers of a scale, and scales of a token's head.
    pub(super) extents: [usize; 3],
}

impl Cache<'_> {
    /// Element `column` of a row, rounded to f32 and then to the dtype of the result, as the contract says.
    fn element(&self, row: usize, column: usize, dtype: DType) -> f64 {
        let [width, group, groups] = self.extents;
        let value = number(&self.values[row * width..][..width], self.args.format, self.args.bits, column);
        let product = (value * f64::from(self.scales[row * groups + column / group])) as f32;
        match dtype {
            DType::F16 => f16::from_f32(product).to_f64(),
            DType::Bf16 => bf16::from_f32(product).to_f64(),
            _ => f64::from(product),
        }
    }

    /// The result. `dims`: block, heads, entries of a row of the table, tokens, d.
    pub(super) fn gather(
        &self,
        table: &[i32],
        lengths: &[i32],
        [block, heads, entries, tokens, d]: [usize; 5],
        heads_first: bool,
        dtype: DType,
    ) -> Vec<f64> {
        let mut out = vec![0.0; lengths.len() * tokens * heads * d];
        for (sequence, &length) in lengths.iter().enumerate() {
            for token in 0..length as usize {
                let number = table[sequence * entries + token / block] as usize;
                for head in 0..heads {
                    let row = (number * block + token % block) * heads + head;
                    let place = if heads_first { head * tokens + token } else { token * heads + head };
                    for column in 0..d {
                        out[(sequence * tokens * heads + place) * d + column] =
                            self.element(row, column, dtype);
                    }
                }
            }
        }
        out
    }
}
