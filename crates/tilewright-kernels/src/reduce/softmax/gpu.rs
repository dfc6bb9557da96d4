//! GPU path: a row of one part in one launch; longer rows get their maximum and sum from `logsumexp`'s launches first.

use std::sync::LazyLock;

use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::Program;

use super::NAME;
use crate::reduce::geometry::{Split, definition};
use crate::reduce::logsumexp::gpu::{ONLINE, largest_and_sum};
use crate::reduce::rows::Rows;

const QUOTIENTS: &str = include_str!("gpu.header.metal");

static WHOLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[ONLINE, QUOTIENTS], include_str!("gpu.metal"));
    Program::new(definition.output("out")).expect("the definition is valid")
});

static NORMALISE: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition("softmax_normalise", &[QUOTIENTS], include_str!("gpu.normalise.metal"));
    Program::new(definition.input("maxima").input("sums").output("out")).expect("the definition is valid")
});

pub(super) fn softmax(stream: &Stream, rows: &Rows) -> Result<Tensor> {
    let (dtype, shape) = (rows.x.dtype(), rows.with_extent(rows.n));
    let split = Split::new(NAME, rows.rows, rows.n)?;
    if split.parts == 1 {
        return split.launch(&WHOLE, stream, &rows.x).output("out", dtype, shape).run_one();
    }
    let [largest, sum, _] = largest_and_sum(stream, NAME, rows)?;
    let launch = split.launch(&NORMALISE, stream, &rows.x).input("maxima", &largest).input("sums", &sum);
    launch.output("out", dtype, shape).run_one()
}
