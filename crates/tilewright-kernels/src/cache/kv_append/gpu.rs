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
    let definition = Definition::new("kv_append", include_str!("gpu.metal"))
        .header(WORDS)
        .template("BYTES")
        .input("k")
        .input("v")
        .input("slots")
        .scalar("k_words", DType::U32)
        .scalar("v_words", DType::U32)
        .scalar("capacity", DType::U64)
        .in_place("k_cache")
        .in_place("v_cache");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn kv_append(
    stream: &Stream,
    k: &Tensor,
    v: &Tensor,
    slots: &Tensor,
    k_cache: &mut Tensor,
    v_cache: &mut Tensor,
) -> Result<()> {
    let tokens = k.dims()[0];
    if tokens > TOKENS {
        return Err(Error::shape(NAME, "k", format!("at most {TOKENS} tokens on a GPU"), k.shape()));
    }
    let capacity = k_cache.dims()[0] * k_cache.dims()[1];
    if (k.is_empty() && v.is_empty()) || capacity == 0 {
        return Ok(());
    }
    let row = |x: &Tensor| x.dims()[1] * x.dims()[2] * x.dtype().size();
    let starts = [start(k), start(v), start(k_cache), start(v_cache)];
    let bytes = word(row(k), starts).min(word(row(v), starts));
    let (k_words, v_words) = (row(k) / bytes, row(v) / bytes);
    if tokens * (k_words + v_words) > i32::MAX as usize {
        return Err(Error::shape(NAME, "k", "fewer than 2^31 words on a GPU", k.shape()));
    }
    PROGRAM
        .launch(stream)
        .template("BYTES", bytes)
        .input("k", k)
        .input("v", v)
        .input("slots", slots)
        .scalar("k_words", k_words as u32)
        .scalar("v_words", v_words as u32)
        .scalar("capacity", capacity as u64)
        .in_place("k_cache", k_cache)
        .in_place("v_cache", v_cache)
        .grid(Grid::groups([(k_words + v_words).div_ceil(THREADS), tokens, 1]), [THREADS, 1, 1])
        .run()?;
    Ok(())
}
