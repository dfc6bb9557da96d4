//! GPU path: one threadgroup a batch entry.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Candidates, Continuations, NAME};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("beam_top_k", include_str!("gpu.metal"))
        .header(include_str!("../noise.header.metal"))
        .input("logprobs")
        .input("found")
        .input("beam_scores")
        .scalar("beams", DType::U32)
        .scalar("each", DType::U32)
        .scalar("k", DType::U32)
        .output("scores")
        .output("from")
        .output("tokens");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn merge(
    stream: &Stream,
    candidates: &Candidates,
    beam_scores: &Tensor,
    k: usize,
) -> Result<Continuations> {
    let (batch, beams) = (beam_scores.dims()[0], beam_scores.dims()[1]);
    let each = candidates.tokens.dims()[1];
    let shape = [batch, k];
    if batch * k == 0 {
        let empty = |dtype| Tensor::empty(stream, dtype, shape);
        return Ok(Continuations {
            scores: empty(DType::F32)?,
            beams: empty(DType::U32)?,
            tokens: empty(DType::U32)?,
        });
    }
    if batch > i32::MAX as usize || beams * each > i32::MAX as usize {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 batch entries or candidates"));
    }
    let results = PROGRAM
        .launch(stream)
        .input("logprobs", &candidates.logprobs)
        .input("found", &candidates.tokens)
        .input("beam_scores", beam_scores)
        .scalar("beams", beams as u32)
        .scalar("each", each as u32)
        .scalar("k", k as u32)
        .output("scores", DType::F32, shape)
        .output("from", DType::U32, shape)
        .output("tokens", DType::U32, shape)
        .grid(Grid::groups([batch, 1, 1]), [(beams * each).next_multiple_of(32).min(THREADS), 1, 1])
        .run()?;
    let [scores, beams, tokens] = results.try_into().expect("three outputs are declared");
    Ok(Continuations { scores, beams, tokens })
}
