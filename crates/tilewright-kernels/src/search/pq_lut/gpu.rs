//! GPU path: a thread for each entry.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::search::Metric;
use crate::search::product::Product;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("pq_lut", include_str!("gpu.metal"))
        .template("METRIC")
        .input("queries")
        .input("codebooks");
    let scalars = ["count", "m", "words", "part"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("tables")).expect("the definition is valid")
});

pub(super) fn pq_lut(
    stream: &Stream,
    queries: &Tensor,
    codebooks: &Tensor,
    product: Product,
    metric: Metric,
) -> Result<Tensor> {
    let Product { m, words, part } = product;
    let shape = [queries.dims()[0], m, words];
    let count = shape[0] * m * words;
    if count > i32::MAX as usize {
        return Err(Error::shape(NAME, "queries", "fewer than 2^31 entries on a GPU", queries.shape()));
    }
    if count == 0 {
        return Tensor::empty(stream, DType::F32, shape);
    }
    PROGRAM
        .launch(stream)
        .template("METRIC", metric as i32)
        .input("queries", queries)
        .input("codebooks", codebooks)
        .scalar("count", count as u32)
        .scalar("m", m as u32)
        .scalar("words", words as u32)
        .scalar("part", part as u32)
        .output("tables", DType::F32, shape)
        .grid(Grid::groups([count.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
