//! The portable body: a SIMD group for 4 columns of x, or for 1, 8 of them a group where there are as many columns.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Systems;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(super::NAME, include_str!("gpu.metal"))
        .template("S")
        .template("R")
        .input("a")
        .input("b")
        .scalar("n", DType::U32)
        .scalar("k", DType::U32)
        .scalar("unit_diagonal", DType::Bool);
    let strides = ["a_start", "a_down", "a_across", "x_start", "x_down", "x_across"];
    let definition =
        strides.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::I64));
    Program::new(definition.output("x").output("info")).expect("the definition is valid")
});

/// The solutions and infos. There are right-hand sides, and they have elements.
pub(super) fn triangular_solve(stream: &Stream, systems: &Systems<'_>) -> Result<(Tensor, Tensor)> {
    let (n, k, items) = (systems.extents.n, systems.k, systems.extents.batches());
    let columns = if k < 4 { 1 } else { 4 };
    let groups = k.div_ceil(columns).min(8);
    let tiles = k.div_ceil(columns * groups);
    // Inputs are row-major when they arrive; the transposition is undone there.
    let [last, down] = [n as i64 - 1, n as i64];
    let (x_down, x_across) = if systems.turned { (1, n as i64) } else { (k as i64, 1) };
    let sign = if systems.backward { -1 } else { 1 };
    let start = |step: i64| if systems.backward { last * step } else { 0 };
    let outputs = PROGRAM
        .launch(stream)
        .template("S", systems.a.dtype())
        .template("R", columns)
        .input("a", systems.a)
        .input("b", systems.b)
        .scalar("n", n as u32)
        .scalar("k", k as u32)
        .scalar("unit_diagonal", systems.unit_diagonal)
        .scalar("a_start", start(down + 1))
        .scalar("a_down", sign * down)
        .scalar("a_across", sign)
        .scalar("x_start", start(x_down))
        .scalar("x_down", sign * x_down)
        .scalar("x_across", x_across)
        .output("x", systems.a.dtype(), systems.b.shape())
        .output("info", DType::I32, &systems.extents.batch[..])
        .grid(Grid::groups([items * tiles, 1, 1]), [32 * groups, 1, 1])
        .run()?;
    let [x, info] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((x, info))
}
