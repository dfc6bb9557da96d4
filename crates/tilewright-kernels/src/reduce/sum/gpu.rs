//! GPU path: a launch sums every part of every row; where a row has several parts, the next launch sums those sums.

use std::sync::LazyLock;

use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::Program;

use super::{Mode, NAME};
use crate::reduce::geometry::{Split, accumulator, definition};
use crate::reduce::rows::Rows;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition("sum", &[include_str!("gpu.header.metal")], include_str!("gpu.metal"));
    Program::new(definition.template("COMPENSATED").output("out")).expect("the definition is valid")
});

pub(super) fn sum(stream: &Stream, rows: &Rows, mode: Mode) -> Result<Tensor> {
    let dtype = rows.x.dtype();
    // Integers wrap around: their sums are exact either way.
    let compensated = mode == Mode::Compensated && dtype.is_float();
    let mut terms = rows.x.clone();
    let mut n = rows.n;
    loop {
        let split = Split::new(NAME, rows.rows, n)?;
        let launch = split.launch(&PROGRAM, stream, &terms).template("COMPENSATED", compensated);
        if split.parts == 1 {
            return launch.output("out", dtype, rows.reduced()).run_one();
        }
        n = split.parts * if compensated { 2 } else { 1 };
        terms = launch.output("out", accumulator(dtype), [rows.rows, n]).run_one()?;
    }
}

/// The sum of every part of every row of `x`, `[rows, parts]`, in the dtype that accumulates.
pub(in crate::reduce) fn part_sums(
    stream: &Stream,
    x: &Tensor,
    rows: usize,
    split: &Split,
) -> Result<Tensor> {
    let launch = split.launch(&PROGRAM, stream, x).template("COMPENSATED", false);
    launch.output("out", accumulator(x.dtype()), [rows, split.parts]).run_one()
}
