//! The portable body: a group of threads for each row of the table.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;

/// Threads of a group, each with up to four columns: the body's own number.
const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).template("T").input("dy").input("ids");
    let definition = definition.scalar("places", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

pub(super) fn embedding_bw(stream: &Stream, dy: &Tensor, ids: &Tensor, n: usize, d: usize) -> Result<Tensor> {
    let places = ids.elements();
    if n * d == 0 || places == 0 {
        return Tensor::zeros(dy.dtype(), [n, d])?.to(stream);
    }
    let launch = PROGRAM.launch(stream).template("T", dy.dtype()).input("dy", dy).input("ids", ids);
    let launch =
        launch.scalar("places", places as u32).scalar("d", d as u32).output("out", dy.dtype(), [n, d]);
    launch.grid(Grid::groups([n, d.div_ceil(4 * THREADS), 1]), [THREADS, 1, 1]).run_one()
}
