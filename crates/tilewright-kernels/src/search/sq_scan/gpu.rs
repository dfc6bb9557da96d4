//! GPU path: a threadgroup for each query, list and piece of it.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::{Input, NAME, SqScan};
use crate::search::device::{filled, parts_of};
use crate::search::rounds::{Round, best, check_candidates, in_rounds};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("sq_scan", include_str!("gpu.metal"))
        .header(concat!(
            include_str!("../../reduce/order.metal"),
            include_str!("../../reduce/top_k/gpu.header.metal"),
            include_str!("../candidate.header.metal"),
            include_str!("../scan.header.metal"),
            include_str!("gpu.header.metal")
        ))
        .template("BITS")
        .template("METRIC")
        .template("RESIDUAL");
    let inputs = ["queries", "codes", "ranges", "offsets", "probes", "centroids", "row_ids", "keep"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "d", "bytes", "parts", "cuts", "lists"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    in_rounds(definition.scalar("labelled", DType::Bool).scalar("filtered", DType::Bool))
});

pub(super) fn sq_scan(stream: &Stream, input: &Input, args: &SqScan) -> Result<(Tensor, Tensor)> {
    let (b, k, parts, nlist) = (input.b, args.k, input.probes.dims()[1], input.offsets.elements() - 1);
    // Of lists of equal length.
    let cuts = parts_of(input.n.div_ceil(nlist.max(1)), b * parts);
    check_candidates(NAME, "probes", [b, parts * cuts], k)?;
    if b * k == 0 || parts == 0 || nlist == 0 {
        return filled(stream, b, k);
    }
    let [no_numbers, no_ids, no_bytes] =
        [DType::F32, DType::U32, DType::U8].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_numbers, no_ids, no_bytes) =
        (no_numbers?.to(stream)?, no_ids?.to(stream)?, no_bytes?.to(stream)?);
    best(stream, b, parts * cuts, k, parts * input.n, |round: &Round| {
        let launch = PROGRAM
            .launch(stream)
            .template("BITS", input.scalar.bits as i32)
            .template("METRIC", args.metric as i32)
            .template("RESIDUAL", input.centroids.is_some())
            .input("queries", &input.queries)
            .input("codes", if input.codes.is_empty() { &no_bytes } else { &input.codes })
            .input("ranges", &input.ranges)
            .input("offsets", &input.offsets)
            .input("probes", &input.probes)
            .input("centroids", input.centroids.as_ref().unwrap_or(&no_numbers))
            .input("row_ids", input.ids.known.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_ids))
            .input("keep", input.keep.as_ref().filter(|all| !all.is_empty()).unwrap_or(&no_bytes))
            .scalar("n", input.n as u32)
            .scalar("d", input.scalar.d as u32)
            .scalar("bytes", input.scalar.bytes() as u32)
            .scalar("parts", parts as u32)
            .scalar("cuts", cuts as u32)
            .scalar("lists", nlist as u32)
            .scalar("labelled", input.ids.known.is_some())
            .scalar("filtered", input.keep.is_some());
        round.run(launch, &no_ids, [b, parts * cuts], THREADS)
    })
}
