//! The best continuations of the beams of each batch entry, with no array as wide as the vocabulary between.
//!
//! # Math
//! `s[b, i, j] = beam_scores[b, i] + log softmax(logits[b, i])[j]`; the k largest of each b, in descending order of s, equal ones in ascending order of beam, then
//! descending of logit, then ascending of token.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[b, beams, v]`, 1 <= v < 2^31 | any strides | f32, f16, bf16 |
//! | beam_scores | `[b, beams]` | row-major | f32 |
//! | scores | `[b, k]` | row-major | f32 |
//! | beams, tokens | `[b, k]` | row-major | u32 |
//!
//! # Numerics
//! Log-probabilities as [`sample`](crate::sample::sample()) reports them: in f32, whatever the dtype of the logits; then one sum. A beam whose score is minus infinity is dead: its
//! continuations come last. A beam with NaN in its logits or score, or plus infinity in its logits, gives NaN, which comes after everything else with
//! the token `u32::MAX`; so does what is missing where the beams have fewer than k tokens that are not minus infinity.
//!
//! # Constraints
//! `1 <= k <= beams min(k, v)`; on a GPU min(k, v) <= 1024. The logits are read once.
//!
//! # Sources
//! Beam search as in Hugging Face transformers (`_beam_search`): 2 beams candidates, so that `beams` go on even where as many end.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::{BeamTopK, beam_top_k};
//!
//! let p = [0.5f32, 0.25, 0.25, 0.125, 0.75, 0.125].map(f32::ln);
//! let logits = Tensor::from_slice(&p, [1, 2, 3])?;
//! let beam_scores = Tensor::from_vec(vec![0.0f32, -1.0], [1, 2])?;
//! let best = beam_top_k(&Stream::cpu(), &logits, &beam_scores, &BeamTopK { k: 3 })?;
//! assert_eq!(best.beams.to_vec::<u32>()?, [0, 1, 0]);
//! assert_eq!(best.tokens.to_vec::<u32>()?, [0, 1, 1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::parameters::{Parameters, Sampling};
use super::sample::{Sample, sample};
use crate::arguments::check_tensor;

const NAME: &str = "beam_top_k";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Arguments of [`beam_top_k`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BeamTopK {
    /// How many continuations of each batch entry; 0 is twice as many as beams. Default 0.
    pub k: usize,
}

/// What [`beam_top_k`] gives, best first.
#[derive(Debug, Clone)]
pub struct Continuations {
    /// Scores, f32 `[b, k]`.
    pub scores: Tensor,
    /// The beam that each goes on from, u32 `[b, k]`.
    pub beams: Tensor,
    /// The token that it goes on with, u32 `[b, k]`.
    pub tokens: Tensor,
}

/// The best of each beam: log-probabilities and tokens, `[b, beams, each]`.
struct Candidates {
    logprobs: Tensor,
    tokens: Tensor,
}

/// The best `k` continuations. Fails on a shape, dtype or device that does not fit, and on `k` beyond what there is.
pub fn beam_top_k(
    stream: &Stream,
    logits: &Tensor,
    beam_scores: &Tensor,
    args: &BeamTopK,
) -> Result<Continuations> {
    check_tensor(NAME, "logits", stream, logits, DTYPES)?;
    check_tensor(NAME, "beam_scores", stream, beam_scores, &[DType::F32])?;
    let &[batch, beams, v] = logits.dims() else {
        return Err(Error::shape(NAME, "logits", "[b, beams, v]", logits.shape()));
    };
    if v == 0 || v > i32::MAX as usize || beams > i32::MAX as usize {
        return Err(Error::shape(NAME, "logits", "[b, beams, v] with 1 <= v < 2^31", logits.shape()));
    }
    if beam_scores.dims() != [batch, beams] {
        return Err(Error::shape(NAME, "beam_scores", format!("[{batch}, {beams}]"), beam_scores.shape()));
    }
    let k = if args.k == 0 { 2 * beams } else { args.k };
    let each = k.min(v);
    if k > beams * each {
        let expected = format!("at most {}, the continuations there are", beams * v);
        return Err(Error::range(NAME, "k", expected, k));
    }
    let rows = batch * beams;
    // Nothing is drawn: what it reports of the likeliest tokens is wanted.
    let greedy =
        Parameters::new(&vec![Sampling { temperature: 0.0, ..Sampling::default() }; rows])?.to(stream)?;
    let args = Sample { top_n: each, ..Sample::default() };
    let found = sample(stream, &logits.reshape([rows, v])?, &greedy, &args)?;
    let candidates = Candidates { logprobs: found.top_logprobs, tokens: found.top_ids };
    match stream.device() {
        Device::Cpu => cpu::merge(&candidates, beam_scores, k),
        _ => gpu::merge(stream, &candidates, beam_scores, k),
    }
}
