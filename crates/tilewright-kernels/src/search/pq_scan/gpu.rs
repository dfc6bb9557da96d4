//! GPU path: a threadgroup for each query and list, a thread for each row, and a selection from what the lists gave.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::{Input, NAME};
use crate::search::device::filled;
use crate::search::rounds::{Round, best, check_candidates, in_rounds};

const THREADS: usize = 256;
/// Entries of tables that fit a threadgroup's memory beside a selection (`HELD` of the body).
const HELD: usize = 3072;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("pq_scan", include_str!("gpu.metal"))
        .header(concat!(
            include_str!("../../reduce/order.metal"),
            include_str!("../../reduce/top_k/gpu.header.metal"),
            include_str!("../candidate.header.metal"),
            include_str!("gpu.header.metal")
        ))
        .template("WORDS")
        .template("LOCAL");
    let inputs = ["tables", "codes", "offsets", "probes", "bases", "biases", "factors", "row_ids", "keep"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["m", "bytes", "n", "parts", "lists"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let flags = ["based", "biased", "scaled", "labelled", "filtered"];
    in_rounds(flags.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::Bool)))
});

pub(super) fn pq_scan(stream: &Stream, input: &Input, k: usize) -> Result<(Tensor, Tensor)> {
    let (b, parts) = (input.b, input.probes.dims()[1]);
    check_candidates(NAME, "probes", [b, parts], k)?;
    if b * k == 0 || parts == 0 {
        return filled(stream, b, k);
    }
    let [no_numbers, no_ids, no_bytes] =
        [DType::F32, DType::U32, DType::U8].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_numbers, no_ids, no_bytes) =
        (no_numbers?.to(stream)?, no_ids?.to(stream)?, no_bytes?.to(stream)?);
    best(stream, b, parts, k, parts * input.n, |round: &Round| {
        let launch = PROGRAM
            .launch(stream)
            .template("WORDS", input.words as i32)
            .template("LOCAL", input.m * input.words <= HELD)
            .input("tables", &input.tables)
            .input("codes", if input.codes.is_empty() { &no_bytes } else { &input.codes })
            .input("offsets", &input.offsets)
            .input("probes", &input.probes)
            .input("bases", input.bases.as_ref().unwrap_or(&no_numbers))
            .input("biases", input.biases.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_numbers))
            .input("factors", input.factors.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_numbers))
            .input("row_ids", input.ids.known.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_ids))
            .input("keep", input.keep.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_bytes))
            .scalar("m", input.m as u32)
            .scalar("bytes", input.codes.dims()[1] as u32)
            .scalar("n", input.n as u32)
            .scalar("parts", parts as u32)
            .scalar("lists", input.offsets.elements().saturating_sub(1) as u32)
            .scalar("based", input.bases.is_some())
            .scalar("biased", input.biases.is_some())
            .scalar("scaled", input.factors.is_some())
            .scalar("labelled", input.ids.known.is_some())
            .scalar("filtered", input.keep.is_some());
        round.run(launch, &no_ids, [b, parts], THREADS)
    })
}
