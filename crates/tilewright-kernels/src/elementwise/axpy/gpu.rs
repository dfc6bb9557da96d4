//! The portable body.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::NAME;
use crate::elementwise::gpu::{GROUP, groups};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).template("T").input("x").input("y");
    let definition = definition.scalar("n", DType::U64).scalar("alpha", DType::F32).output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn axpy(stream: &Stream, x: &Tensor, y: &Tensor, alpha: f64) -> Result<Tensor> {
    if x.is_empty() {
        return Tensor::empty(stream, x.dtype(), x.shape());
    }
    let launch = PROGRAM.launch(stream).template("T", x.dtype()).input("x", x).input("y", y);
    let launch = launch.scalar("n", x.elements() as u64).scalar("alpha", alpha as f32);
    launch.output("out", x.dtype(), x.shape()).grid(groups(x.elements()), [GROUP, 1, 1]).run_one()
}
