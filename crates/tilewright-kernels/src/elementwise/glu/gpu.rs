//! The portable body.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::NAME;
use crate::elementwise::gpu::{GROUP, groups};
use crate::gemm::runs::{RUNS, begins_run};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"));
    let definition = definition.header([RUNS, include_str!("../sigmoid.header.metal")].concat());
    let definition = definition.template("T").template("WHOLE");
    let definition = definition.input("a").input("b").scalar("n", DType::U64).scalar("silu", DType::Bool);
    Program::new(definition.output("out")).expect("the definition is valid")
});

pub(super) fn glu(stream: &Stream, a: &Tensor, b: &Tensor, silu: bool) -> Result<Tensor> {
    if a.is_empty() {
        return Tensor::empty(stream, a.dtype(), a.shape());
    }
    let launch = PROGRAM.launch(stream).template("T", a.dtype()).input("a", a).input("b", b);
    let launch = launch.template("WHOLE", begins_run(a) && begins_run(b));
    let launch = launch.scalar("n", a.elements() as u64).scalar("silu", silu);
    launch.output("out", a.dtype(), a.shape()).grid(groups(a.elements()), [GROUP, 1, 1]).run_one()
}
