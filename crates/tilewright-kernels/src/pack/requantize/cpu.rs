//! Native path: rows on all threads, eight values at a time.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::FACTOR;
use crate::host::packed;
use crate::parallel::Each;

/// Values of a task, an even number: half of a first-level cache.
const TASK: usize = 1 << 14;

pub(super) fn requantize(
    values: &Tensor,
    scales: &Tensor,
    n: usize,
    shape: &[usize],
) -> Result<(Tensor, Tensor)> {
    let source: &[i8] = &packed(values)?;
    let mut out = Tensor::empty(&Stream::cpu(), DType::U8, shape)?;
    let target = out.as_slice_mut::<u8>()?;
    if n.is_multiple_of(2) {
        // Rows follow one another without half a byte between them.
        let tasks = target.par_chunks_mut(TASK / 2).zip(source.par_chunks(TASK)).with_min_len(4);
        tasks.each(&|(target, source)| narrow(source, target));
    } else {
        let rows = target.par_chunks_mut(n.div_ceil(2)).zip(source.par_chunks(n));
        rows.with_min_len((TASK / n).max(1)).for_each(|(target, source)| narrow(source, target));
    }
    let by = scales.to_vec::<f32>()?.into_iter().map(|scale| scale * FACTOR).collect::<Vec<_>>();
    Ok((out, Tensor::from_vec(by, scales.dims())?))
}

/// The halves of the bytes of one stretch; where it is odd, the last half is 0.
fn narrow(source: &[i8], target: &mut [u8]) {
    let (words, rest) = source.as_chunks::<8>();
    let (whole, tail) = target.split_at_mut(4 * words.len());
    Arch::new().dispatch(Words { words, out: whole.as_chunks_mut::<4>().0 });
    let mut word = [0u8; 8];
    word.iter_mut().zip(rest).for_each(|(to, &value)| *to = value as u8);
    tail.copy_from_slice(&halves(word)[..tail.len()]);
}

struct Words<'a> {
    words: &'a [[i8; 8]],
    out: &'a mut [[u8; 4]],
}

impl WithSimd for Words<'_> {
    type Output = ();

    /// In code for the vector unit that was found.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (word, out) in self.words.iter().zip(self.out) {
            *out = halves(word.map(|value| value as u8));
        }
    }
}

/// Eight values as halves of four bytes.
#[inline(always)]
pub(super) fn halves(word: [u8; 8]) -> [u8; 4] {
    const LANES: u64 = 0x00ff_00ff_00ff_00ff;
    let biased = u64::from_le_bytes(word) ^ 0x8080_8080_8080_8080;
    // No lane of 16 bits overflows into the next: 226 * 255 + 5888 < 2^16.
    let round = |lanes: u64| (lanes & LANES).wrapping_mul(226).wrapping_add(0x1700_1700_1700_1700);
    let (even, odd) = (round(biased), round(biased >> 8));
    let both =
        (even >> 12 & 0x000f_000f_000f_000f | odd >> 8 & 0x00f0_00f0_00f0_00f0) ^ 0x0088_0088_0088_0088;
    let bytes = both.to_le_bytes();
    [bytes[0], bytes[2], bytes[4], bytes[6]]
}
