//! Native path: the tiles and filters of `sample`, then each row once more.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Result, Stream, Tensor, bf16, f16};

use super::{Renormalize, Renormalized};
use crate::host::packed;
use crate::parallel::Each;
use crate::sample::noise::{NEVER, TILE, UNITS, key_of, power_of};
use crate::sample::parameters::{Row, WORDS};
use crate::sample::sample::cpu::{Logit, SERIAL, Settled, settle, tiles_of};

pub(super) fn renormalize(logits: &Tensor, parameters: &Tensor, args: &Renormalize) -> Result<Tensor> {
    match logits.dtype() {
        DType::F16 => rows::<f16>(logits, parameters, args),
        DType::Bf16 => rows::<bf16>(logits, parameters, args),
        _ => rows::<f32>(logits, parameters, args),
    }
}

fn rows<T: Logit>(logits: &Tensor, parameters: &Tensor, args: &Renormalize) -> Result<Tensor> {
    let (r, n) = (logits.dims()[0], logits.dims()[1]);
    let data: &[T] = &packed(logits)?;
    let words = parameters.to_vec::<u32>()?;
    let settings: Vec<Row> = words.chunks_exact(WORDS).map(|words| Row::read(words, args.step)).collect();
    let tiles = n.div_ceil(TILE);
    let found = tiles_of(data, n, &settings);
    let mut out = Tensor::empty(&Stream::cpu(), DType::F32, [r, n])?;
    let one = |(row, out): (usize, &mut [f32])| {
        let (logits, settings) = (&data[row * n..][..n], &settings[row]);
        match settle(logits, &found[row * tiles..][..tiles], settings) {
            None => out.fill(f32::NAN),
            Some(settled) => {
                Arch::new().dispatch(Write { logits, settled, row: settings, output: args.output, out })
            }
        }
    };
    let each = out.as_slice_mut::<f32>()?;
    if r * n <= SERIAL {
        each.chunks_mut(n).enumerate().for_each(one);
    } else {
        each.par_chunks_mut(n).enumerate().each(&one);
    }
    Ok(out)
}

/// Writes a row.
struct Write<'a, T> {
    logits: &'a [T],
    settled: Settled,
    row: &'a Row,
    output: Renormalized,
    out: &'a mut [f32],
}

impl<T: Logit> WithSimd for Write<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let Settled { id, largest, mass, kept, .. } = self.settled;
        let (scale, limit) = (self.row.scale, self.row.limit);
        let (inverse, octaves) = (UNITS / mass as f32, (mass as f32 / UNITS).log2());
        let nothing = if self.output == Renormalized::Probabilities { 0.0 } else { f32::NEG_INFINITY };
        let mut stage = [0.0; TILE];
        let Some(kept) = kept else {
            self.out.fill(nothing);
            T::widen(&self.logits[id as usize..][..1], &mut stage[..1]);
            self.out[id as usize] = match self.output {
                Renormalized::Probabilities => 1.0,
                Renormalized::Logprobs => 0.0,
                Renormalized::Logits => stage[0],
            };
            return;
        };
        for (logits, out) in self.logits.chunks(TILE).zip(self.out.chunks_mut(TILE)) {
            let z = &mut stage[..logits.len()];
            T::widen(logits, z);
            for (&z, out) in z.iter().zip(out) {
                let key = key_of(z);
                let value = match self.output {
                    Renormalized::Probabilities => power_of(z - largest, scale, limit).0 * inverse,
                    Renormalized::Logprobs => ((z - largest) * scale - octaves) * std::f32::consts::LN_2,
                    Renormalized::Logits => z,
                };
                *out = if key != NEVER && kept.holds(key) { value } else { nothing };
            }
        }
    }
}
