//! Native path: the candidates of a batch entry are few, and sorted.

use tilewright_core::{Result, Tensor};

use super::{Candidates, Continuations};
use crate::sample::noise::key_of;

pub(super) fn merge(candidates: &Candidates, beam_scores: &Tensor, k: usize) -> Result<Continuations> {
    let (logprobs, tokens) = (candidates.logprobs.to_vec::<f32>()?, candidates.tokens.to_vec::<u32>()?);
    let (batch, beams) = (beam_scores.dims()[0], beam_scores.dims()[1]);
    let each = candidates.tokens.dims()[1];
    let beam_scores = beam_scores.to_vec::<f32>()?;
    let (mut scores, mut from, mut best) = (Vec::new(), Vec::new(), Vec::new());
    for entry in 0..batch {
        let score = |at: usize| {
            let place = entry * beams * each + at;
            let score = beam_scores[place / each] + logprobs[place];
            if tokens[place] == u32::MAX { f32::NAN } else { score }
        };
        // NaN after everything else.
        let mut order: Vec<(u32, usize)> =
            (0..beams * each).map(|at| (key_of(score(at)).wrapping_add(1), at)).collect();
        order.sort_unstable_by_key(|&(key, at)| (!key, at));
        for &(key, at) in &order[..k] {
            scores.push(score(at));
            from.push((at / each) as u32);
            best.push(if key == 0 { u32::MAX } else { tokens[entry * beams * each + at] });
        }
    }
    let shape = [batch, k];
    Ok(Continuations {
        scores: Tensor::from_vec(scores, shape)?,
        beams: Tensor::from_vec(from, shape)?,
        tokens: Tensor::from_vec(best, shape)?,
    })
}
