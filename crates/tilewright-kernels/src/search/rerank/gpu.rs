//! GPU path: a threadgroup for each query, a SIMD group for each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::{NAME, Rerank};
use crate::search::device::filled;
use crate::search::rounds::{Round, SELECTED, best, in_rounds};
use crate::search::vectors::Vectors;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("rerank", include_str!("gpu.metal"))
        .header(concat!(
            include_str!("../../reduce/order.metal"),
            include_str!("../../reduce/top_k/gpu.header.metal"),
            include_str!("../candidate.header.metal"),
            include_str!("../scan.header.metal")
        ))
        .template("T")
        .template("METRIC");
    let inputs = ["queries", "data", "rows", "row_ids"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "d", "c"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    in_rounds(definition.scalar("labelled", DType::Bool))
});

pub(super) fn rerank(
    stream: &Stream,
    vectors: &Vectors,
    rows: &Tensor,
    args: &Rerank,
) -> Result<(Tensor, Tensor)> {
    let (b, c, k) = (vectors.b, rows.dims()[1], args.k);
    if b * c.max(k.clamp(1, SELECTED)) > i32::MAX as usize {
        return Err(Error::shape(NAME, "rows", "fewer than 2^31 rows and results on a GPU", rows.shape()));
    }
    if b * k == 0 || c == 0 || vectors.n == 0 {
        return filled(stream, b, k);
    }
    let no_ids = Tensor::zeros(DType::U32, [1])?.to(stream)?;
    best(stream, b, 1, k, c, |round: &Round| {
        let launch = PROGRAM
            .launch(stream)
            .template("T", vectors.data.dtype())
            .template("METRIC", args.metric as i32)
            .input("queries", &vectors.queries)
            .input("data", &vectors.data)
            .input("rows", rows)
            .input("row_ids", vectors.ids.known.as_ref().unwrap_or(&no_ids))
            .scalar("n", vectors.n as u32)
            .scalar("d", vectors.d as u32)
            .scalar("c", c as u32)
            .scalar("labelled", vectors.ids.known.is_some());
        round.run(launch, &no_ids, [b, 1], THREADS)
    })
}
