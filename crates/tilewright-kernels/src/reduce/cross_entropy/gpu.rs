//! GPU path: `logsumexp`'s launches, then a thread for each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::reduce::logsumexp::gpu::largest_and_sum;
use crate::reduce::rows::Rows;

static PICK: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).input("x").input("target_of");
    let definition =
        definition.input("maxima").input("sums").scalar("n", DType::U32).scalar("rows", DType::U32);
    Program::new(definition.output("loss")).expect("the definition is valid")
});

pub(super) fn cross_entropy(stream: &Stream, rows: &Rows, target: &Tensor) -> Result<Tensor> {
    if rows.rows == 0 {
        return Tensor::empty(stream, DType::F32, rows.reduced());
    }
    let [maxima, sums, _] = largest_and_sum(stream, NAME, rows)?;
    let launch = PICK.launch(stream).input("x", &rows.x).input("target_of", target);
    let launch = launch.input("maxima", &maxima).input("sums", &sums);
    let launch = launch.scalar("n", rows.n as u32).scalar("rows", rows.rows as u32);
    let grid = Grid::groups([rows.rows.div_ceil(64), 1, 1]);
    launch.output("loss", DType::F32, rows.reduced()).grid(grid, [64, 1, 1]).run_one()
}
