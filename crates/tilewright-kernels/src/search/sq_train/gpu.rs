//! GPU path: a threadgroup for 32 columns.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

/// Threads of a group, at most.
const THREADS: usize = 1024;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("sq_train", include_str!("gpu.metal"))
        .input("x")
        .scalar("n", DType::U32)
        .scalar("d", DType::U32)
        .output("ranges");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn sq_train(stream: &Stream, x: &Tensor) -> Result<Tensor> {
    let (n, d) = (x.dims()[0], x.dims()[1]);
    if n == 0 {
        return Tensor::zeros(DType::F32, [2, d])?.to(stream);
    }
    PROGRAM
        .launch(stream)
        .input("x", x)
        .scalar("n", n as u32)
        .scalar("d", d as u32)
        .output("ranges", DType::F32, [2, d])
        .grid(Grid::groups([d.div_ceil(32), 1, 1]), [(32 * n).min(THREADS), 1, 1])
        .run_one()
}
