//! Native path: rows on all threads. A row is widened, then the few tokens that something is known of are changed.

use std::collections::BTreeMap;

use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use tilewright_core::{DType, Element, Error, Result, Stream, Tensor, bf16, f16};

use super::{Inputs, NAME};
use crate::host::packed;
use crate::parallel::Each;

/// Elements below which threads cost more than they give.
const SERIAL: usize = 1 << 15;

pub(super) fn penalize(inputs: &Inputs) -> Result<Tensor> {
    match inputs.logits.dtype() {
        DType::F16 => rows::<f16>(inputs, |from, to| from.convert_to_f32_slice(to)),
        DType::Bf16 => rows::<bf16>(inputs, |from, to| from.convert_to_f32_slice(to)),
        _ => rows::<f32>(inputs, |from, to| to.copy_from_slice(from)),
    }
}

/// What is known of a token of a row.
#[derive(Default)]
struct Known {
    count: u32,
    bias: Option<f32>,
}

fn rows<T: Element>(inputs: &Inputs, widen: impl Fn(&[T], &mut [f32]) + Sync) -> Result<Tensor> {
    let (rows, n) = (inputs.rows, inputs.n);
    let known = known(inputs)?;
    let penalties = inputs.penalties.to_vec::<f32>()?;
    if let Some(bad) = penalties
        .chunks_exact(3)
        .map(|row| row[0])
        .find(|&repetition| repetition <= 0.0 || repetition.is_nan())
    {
        return Err(Error::range(NAME, "penalties", "repetition above 0", bad));
    }
    let mask = inputs.mask.map(Tensor::to_vec::<u32>).transpose()?;
    let mut out = Tensor::empty(&Stream::cpu(), DType::F32, [rows, n])?;
    if rows * n == 0 {
        return Ok(out);
    }
    let data: &[T] = &packed(inputs.logits)?;
    let one = |(row, out): (usize, &mut [f32])| {
        widen(&data[row * n..][..n], out);
        let [repetition, frequency, presence] = [0, 1, 2].map(|at| penalties[3 * row + at]);
        let inverse = 1.0 / repetition;
        for (&token, known) in &known[row] {
            let z = &mut out[token as usize];
            let seen = known.count > 0;
            let factor = if !seen {
                1.0
            } else if *z > 0.0 {
                inverse
            } else {
                repetition
            };
            let bias = known.bias.unwrap_or(0.0) - if seen { presence } else { 0.0 };
            *z = z.mul_add(factor, (-frequency).mul_add(known.count as f32, bias));
        }
        if let Some(mask) = &mask {
            let words = &mask[row * n.div_ceil(32)..];
            for (out, &word) in out.chunks_mut(32).zip(words) {
                for (bit, z) in out.iter_mut().enumerate() {
                    *z = if word >> bit & 1 == 1 { *z } else { f32::NEG_INFINITY };
                }
            }
        }
    };
    let each = out.as_slice_mut::<f32>()?;
    if rows * n <= SERIAL {
        each.chunks_mut(n).enumerate().for_each(one);
    } else {
        each.par_chunks_mut(n).enumerate().each(&one);
    }
    Ok(out)
}

/// The tokens of each row that the history or a bias names.
fn known(inputs: &Inputs) -> Result<Vec<BTreeMap<u32, Known>>> {
    let (history, tokens) = (inputs.history.to_vec::<i32>()?, inputs.tokens.to_vec::<i32>()?);
    let biases = inputs.biases.to_vec::<f32>()?;
    let (entries, biased) = (inputs.history.dims()[1], inputs.tokens.dims()[1]);
    let place = |argument: &'static str, token: i32| match u32::try_from(token) {
        Ok(token) if (token as usize) < inputs.n => Ok(Some(token)),
        Ok(_) => {
            Err(Error::range(NAME, argument, format!("below {}, the tokens there are", inputs.n), token))
        }
        Err(_) => Ok(None),
    };
    let row = |row: usize| {
        let mut known: BTreeMap<u32, Known> = BTreeMap::new();
        for &token in &history[row * entries..][..entries] {
            if let Some(token) = place("history", token)? {
                known.entry(token).or_default().count += 1;
            }
        }
        let range = row * biased..(row + 1) * biased;
        for (&token, &bias) in tokens[range.clone()].iter().zip(&biases[range]) {
            if let Some(token) = place("bias_tokens", token)?
                && known.entry(token).or_default().bias.replace(bias).is_some()
            {
                return Err(Error::range(
                    NAME,
                    "bias_tokens",
                    "each token once in a row",
                    format!("{token} twice"),
                ));
            }
        }
        Ok(known)
    };
    (0..inputs.rows).map(row).collect()
}
