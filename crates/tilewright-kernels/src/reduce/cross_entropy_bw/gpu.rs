//! GPU path: `logsumexp`'s launches, then the gradient of each part of each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::Program;

use super::NAME;
use crate::reduce::geometry::{Split, definition};
use crate::reduce::logsumexp::gpu::largest_and_sum;
use crate::reduce::rows::Rows;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[], include_str!("gpu.metal")).input("maxima").input("sums");
    let definition = definition.input("target_of").input("dloss").scalar("rows", DType::U32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

pub(super) fn cross_entropy_bw(
    stream: &Stream,
    rows: &Rows,
    dloss: &Tensor,
    target: &Tensor,
) -> Result<Tensor> {
    let (dtype, shape) = (rows.x.dtype(), rows.with_extent(rows.n));
    if rows.x.is_empty() {
        return Tensor::empty(stream, dtype, shape);
    }
    let [maxima, sums, _] = largest_and_sum(stream, NAME, rows)?;
    let split = Split::new(NAME, rows.rows, rows.n)?;
    let launch = split.launch(&PROGRAM, stream, &rows.x).input("maxima", &maxima).input("sums", &sums);
    let launch = launch.input("target_of", target).input("dloss", dloss).scalar("rows", rows.rows as u32);
    launch.output("out", dtype, shape).run_one()
}
