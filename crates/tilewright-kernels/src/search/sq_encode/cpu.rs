//! Native path: words of a row, then their bits one after another.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::parallel::Each;
use crate::search::scalar::Scalar;

/// Elements of a stretch: enough to be worth handing out.
const STRETCH: usize = 1 << 15;

pub(super) fn sq_encode(x: &Tensor, ranges: &Tensor, scalar: Scalar) -> Result<Tensor> {
    let (n, d, bytes) = (x.dims()[0], scalar.d, scalar.bytes());
    let (x, (least, widths)) = (x.as_slice::<f32>()?, ranges.as_slice::<f32>()?.split_at(d));
    let mut codes = vec![0u8; n * bytes];
    let rows = (STRETCH / d).max(1);
    x.par_chunks(rows * d).zip(codes.par_chunks_mut(rows * bytes)).each(&|(x, codes)| {
        let mut words = vec![0u8; d];
        for (x, code) in x.chunks_exact(d).zip(codes.chunks_exact_mut(bytes)) {
            for (((word, &x), &least), &width) in words.iter_mut().zip(x).zip(least).zip(widths) {
                let steps = (x - least) / width * f32::from(scalar.most());
                // A conversion cuts what lies beyond the words off, and makes 0 of what is no number.
                *word = if width > 0.0 { (steps as u8).min(scalar.most()) } else { 0 };
            }
            match scalar.bits {
                8 => code.copy_from_slice(&words),
                4 => {
                    for (byte, pair) in code.iter_mut().zip(words.chunks(2)) {
                        *byte = pair[0] | pair.get(1).copied().unwrap_or(0) << 4;
                    }
                }
                _ => {
                    for (bytes, four) in code.chunks_mut(3).zip(words.chunks(4)) {
                        let all = four.iter().rev().fold(0u32, |all, &word| all << 6 | u32::from(word));
                        bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = (all >> (8 * i)) as u8);
                    }
                }
            }
        }
    });
    Tensor::from_vec(codes, [n, bytes])
}
