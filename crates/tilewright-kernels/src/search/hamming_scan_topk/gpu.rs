//! GPU path: a threadgroup for each query and stretch of rows, a thread for each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::NAME;
use crate::search::device::{filled, parts_of};
use crate::search::rounds::{Round, best, check_candidates, in_rounds};
use crate::search::vectors::Vectors;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("hamming_scan_topk", include_str!("gpu.metal"))
        .header(concat!(
            include_str!("../../reduce/order.metal"),
            include_str!("../../reduce/top_k/gpu.header.metal"),
            include_str!("../candidate.header.metal")
        ))
        .template("WORDS");
    let inputs = ["queries", "data", "row_ids", "keep"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "bytes", "parts", "length"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    in_rounds(definition.scalar("labelled", DType::Bool).scalar("filtered", DType::Bool))
});

pub(super) fn hamming_scan_topk(stream: &Stream, rows: &Vectors, k: usize) -> Result<(Tensor, Tensor)> {
    let (b, parts) = (rows.b, parts_of(rows.n, rows.b));
    check_candidates(NAME, "queries", [b, parts], k)?;
    if b * k == 0 || rows.n == 0 {
        return filled(stream, b, k);
    }
    let (no_ids, no_bytes) =
        (Tensor::zeros(DType::U32, [1])?.to(stream)?, Tensor::zeros(DType::U8, [1])?.to(stream)?);
    // A row-major view may begin between words.
    let aligned = |tensor: &Tensor| tensor.layout().offset().is_multiple_of(4);
    let words = rows.d.is_multiple_of(4) && aligned(&rows.queries) && aligned(&rows.data);
    best(stream, b, parts, k, rows.n, |round: &Round| {
        let launch = PROGRAM
            .launch(stream)
            .template("WORDS", words)
            .input("queries", &rows.queries)
            .input("data", &rows.data)
            .input("row_ids", rows.ids.known.as_ref().unwrap_or(&no_ids))
            .input("keep", rows.keep.as_ref().unwrap_or(&no_bytes))
            .scalar("n", rows.n as u32)
            .scalar("bytes", rows.d as u32)
            .scalar("parts", parts as u32)
            .scalar("length", rows.n.div_ceil(parts) as u32)
            .scalar("labelled", rows.ids.known.is_some())
            .scalar("filtered", rows.keep.is_some());
        round.run(launch, &no_ids, [b, parts], THREADS)
    })
}
