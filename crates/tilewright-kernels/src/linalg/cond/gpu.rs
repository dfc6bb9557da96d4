//! The portable body: two numbers of each matrix made one.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Join;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("cond", include_str!("gpu.metal")).template("S");
    let definition = ["x", "y", "info"].into_iter().fold(definition, Definition::input);
    Program::new(definition.scalar("how", DType::U32).output("out")).expect("the definition is valid")
});

/// `x` and `y` joined; `info` is not 0 where `y` is of a singular matrix.
pub(super) fn joined(stream: &Stream, x: &Tensor, y: &Tensor, info: &Tensor, how: Join) -> Result<Tensor> {
    PROGRAM
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("y", y)
        .input("info", info)
        .scalar("how", how as u32)
        .output("out", x.dtype(), info.dims())
        .grid(Grid::threads([info.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}
