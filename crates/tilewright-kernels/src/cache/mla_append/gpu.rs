//! GPU path: one thread a word.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::cache::{WORDS, start, word};

const THREADS: usize = 128;
/// Tokens that a grid's second axis has.
const TOKENS: usize = 65_535;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"))
        .header(WORDS)
        .template("BYTES")
        .input("latent")
        .input("rotated")
        .input("slots")
        .scalar("r_words", DType::U32)
        .scalar("p_words", DType::U32)
        .scalar("capacity", DType::U64)
        .in_place("cache");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn mla_append(
    stream: &Stream,
    [latent, rotated]: [&Tensor; 2],
    slots: &Tensor,
    capacity: usize,
    cache: &mut Tensor,
) -> Result<()> {
    let tokens = latent.dims()[0];
    if tokens > TOKENS {
        let expected = format!("at most {TOKENS} tokens on a GPU");
        return Err(Error::shape(NAME, "latent", expected, latent.shape()));
    }
    if cache.is_empty() || tokens == 0 {
        return Ok(());
    }
    let row = |x: &Tensor| x.dims()[1] * x.dtype().size();
    let starts = [start(latent), start(rotated), start(cache)];
    let bytes = word(row(latent), starts).min(word(row(rotated), starts));
    let (r_words, p_words) = (row(latent) / bytes, row(rotated) / bytes);
    if tokens * (r_words + p_words) > i32::MAX as usize {
        return Err(Error::shape(NAME, "latent", "fewer than 2^31 words on a GPU", latent.shape()));
    }
    PROGRAM
        .launch(stream)
        .template("BYTES", bytes)
        .input("latent", latent)
        .input("rotated", rotated)
        .input("slots", slots)
        .scalar("r_words", r_words as u32)
        .scalar("p_words", p_words as u32)
        .scalar("capacity", capacity as u64)
        .in_place("cache", cache)
        .grid(Grid::groups([(r_words + p_words).div_ceil(THREADS), tokens, 1]), [THREADS, 1, 1])
        .run()?;
    Ok(())
}
