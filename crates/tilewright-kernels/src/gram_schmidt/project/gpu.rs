//! The portable bodies: chunks of rows, then the sum of the chunks.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, caps};

use super::super::gpu::{GROUP, Pair, columns_per_thread};
use super::super::{Sizes, accumulator, rows_per_chain};

static CHUNK: LazyLock<Pair> = LazyLock::new(|| {
    let definition = Definition::new("project", include_str!("gpu.metal"))
        .template("T")
        .template("O")
        .template("RUN")
        .template("PARTIAL")
        .input("q")
        .input("v")
        .output("out");
    let sizes = ["m", "k", "p", "rows", "chunks"];
    Pair::new(sizes.into_iter().fold(definition, |definition, size| definition.scalar(size, DType::U32)))
});

static CHUNKS: LazyLock<Pair> = LazyLock::new(|| {
    let definition = Definition::new("project_chunks", include_str!("gpu.chunks.metal"))
        .template("O")
        .input("parts")
        .scalar("n", DType::U64)
        .scalar("size", DType::U64)
        .scalar("chunks", DType::U32)
        .output("out");
    Pair::new(definition)
});

/// Groups per multiprocessor: enough to have loads under way while others wait.
const GROUPS_EACH: usize = 4;

pub(super) fn project(
    stream: &Stream,
    q: &Tensor,
    v: &Tensor,
    sizes: &Sizes,
    compensated: bool,
) -> Result<Tensor> {
    let &Sizes { m, k, .. } = sizes;
    let (batches, p, shape) = (sizes.batches(), sizes.columns(), sizes.shape(k));
    if batches * k * p == 0 {
        return Tensor::empty(stream, q.dtype(), shape);
    }
    let run = columns_per_thread(q, k);
    let blocks = (k / run).div_ceil(GROUP);
    let wanted = caps(stream.device())?.multiprocessors.unwrap_or(16) * GROUPS_EACH;
    let least = m.div_ceil(rows_per_chain(m));
    let chunks = wanted.div_ceil(batches * p * blocks).min(m.div_ceil(32)).max(least).max(1);
    let rows = m.div_ceil(chunks).max(1);
    let chunks = m.div_ceil(rows).max(1);
    let partial = chunks > 1;

    let words = if partial && compensated { 2 } else { 1 };
    let (out_dtype, out_shape) = if partial {
        (accumulator(q.dtype()), vec![batches, chunks, k * p * words])
    } else {
        (q.dtype(), shape.clone())
    };
    let parts = CHUNK
        .launch(stream, q.dtype(), compensated)
        .template("T", q.dtype())
        .template("O", out_dtype)
        .template("RUN", run)
        .template("PARTIAL", partial)
        .input("q", q)
        .input("v", v)
        .output("out", out_dtype, out_shape)
        .scalar("m", m as u32)
        .scalar("k", k as u32)
        .scalar("p", p as u32)
        .scalar("rows", rows as u32)
        .scalar("chunks", chunks as u32)
        .grid(Grid::groups([batches * p * blocks * chunks, 1, 1]), [GROUP, 1, 1])
        .run_one()?;
    if !partial {
        return Ok(parts);
    }
    let results = batches * k * p;
    CHUNKS
        .launch(stream, q.dtype(), compensated)
        .template("O", q.dtype())
        .input("parts", &parts)
        .scalar("n", results as u64)
        .scalar("size", (k * p) as u64)
        .scalar("chunks", chunks as u32)
        .output("out", q.dtype(), shape)
        .grid(Grid::groups([results.div_ceil(32), 1, 1]), [GROUP, 1, 1])
        .run_one()
}
