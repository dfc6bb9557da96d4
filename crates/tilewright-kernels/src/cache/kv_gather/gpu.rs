//! GPU path: one thread a word.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{NAME, Plan};
use crate::cache::{WORDS, start, word};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kv_gather", include_str!("gpu.metal"))
        .header(WORDS)
        .template("BYTES")
        .input("cache")
        .input("table")
        .input("lengths")
        .scalar("total", DType::U32)
        .scalar("words", DType::U32)
        .scalar("tokens", DType::U32)
        .scalar("heads", DType::U32)
        .scalar("block", DType::U32)
        .scalar("blocks", DType::U32)
        .scalar("entries", DType::U32)
        .scalar("heads_first", DType::Bool)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn kv_gather(
    stream: &Stream,
    cache: &Tensor,
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
) -> Result<Tensor> {
    let lines = plan.sequences * plan.tokens * plan.heads;
    if lines * plan.row == 0 {
        return Tensor::empty(stream, cache.dtype(), plan.out);
    }
    // A view that is not row-major is copied first, to where every word starts aligned.
    let bytes = word(plan.row, [if cache.is_contiguous() { start(cache) } else { 0 }]);
    let words = plan.row / bytes;
    let total = lines * words;
    if total > i32::MAX as usize {
        return Err(Error::shape(NAME, "cache", "a result of fewer than 2^31 words on a GPU", cache.shape()));
    }
    PROGRAM
        .launch(stream)
        .template("BYTES", bytes)
        .input("cache", cache)
        .input("table", table)
        .input("lengths", lengths)
        .scalar("total", total as u32)
        .scalar("words", words as u32)
        .scalar("tokens", plan.tokens as u32)
        .scalar("heads", plan.heads as u32)
        .scalar("block", plan.block as u32)
        .scalar("blocks", plan.blocks as u32)
        .scalar("entries", plan.entries as u32)
        .scalar("heads_first", plan.heads_first)
        .output("out", cache.dtype(), plan.out)
        .grid(Grid::groups([total.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
