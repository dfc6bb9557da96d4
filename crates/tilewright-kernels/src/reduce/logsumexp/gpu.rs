//! GPU path: one pass over every part of every row; where a row has several parts, a second launch joins them.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::reduce::geometry::{HEADER, Split, THREADS, definition};
use crate::reduce::rows::Rows;

/// The reducer that `softmax` uses too.
pub(in crate::reduce) const ONLINE: &str = include_str!("../online.metal");

static PARTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[ONLINE], include_str!("gpu.metal"));
    Program::new(definition.output("largest").output("sum").output("out")).expect("the definition is valid")
});

static COMBINE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("logsumexp_combine", include_str!("gpu.combine.metal"))
        .header([HEADER, ONLINE].concat())
        .template("T")
        .input("maxima")
        .input("sums")
        .scalar("parts", DType::U32)
        .output("largest")
        .output("sum")
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn logsumexp(stream: &Stream, rows: &Rows) -> Result<Tensor> {
    let [_, _, out] = largest_and_sum(stream, NAME, rows)?;
    out.reshape(rows.reduced())
}

/// For each row its largest element, f32, the sum of exponentials relative to it, f32, and the logarithm, in the rows' dtype.
pub(in crate::reduce) fn largest_and_sum(
    stream: &Stream,
    operation: &'static str,
    rows: &Rows,
) -> Result<[Tensor; 3]> {
    let dtype = rows.x.dtype();
    let split = Split::new(operation, rows.rows, rows.n)?;
    let shape = [rows.rows, split.parts];
    let parts = split
        .launch(&PARTS, stream, &rows.x)
        .output("largest", DType::F32, shape)
        .output("sum", DType::F32, shape)
        .output("out", dtype, shape)
        .run()?;
    let joined = if split.parts == 1 {
        parts
    } else {
        COMBINE
            .launch(stream)
            .template("T", dtype)
            .input("maxima", &parts[0])
            .input("sums", &parts[1])
            .scalar("parts", split.parts as u32)
            .output("largest", DType::F32, [rows.rows])
            .output("sum", DType::F32, [rows.rows])
            .output("out", dtype, [rows.rows])
            .grid(Grid::groups([rows.rows, 1, 1]), [split.parts.next_multiple_of(32).min(THREADS), 1, 1])
            .run()?
    };
    Ok(joined.try_into().expect("three outputs are declared"))
}
