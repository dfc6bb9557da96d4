//! The portable body.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::NAME;
use crate::elementwise::gpu::{GROUP, groups};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"));
    let definition = definition.header(include_str!("../sigmoid.header.metal")).template("T");
    let definition = definition.input("dy").input("a").input("b");
    let definition = definition.scalar("n", DType::U64).scalar("silu", DType::Bool);
    Program::new(definition.output("da").output("db")).expect("the definition is valid")
});

pub(super) fn glu_bw(
    stream: &Stream,
    dy: &Tensor,
    a: &Tensor,
    b: &Tensor,
    silu: bool,
) -> Result<(Tensor, Tensor)> {
    let (dtype, shape, elements) = (dy.dtype(), dy.shape(), dy.elements());
    if dy.is_empty() {
        return Ok((Tensor::empty(stream, dtype, shape)?, Tensor::empty(stream, dtype, shape)?));
    }
    let launch = PROGRAM.launch(stream).template("T", dtype).input("dy", dy).input("a", a).input("b", b);
    let launch = launch.scalar("n", elements as u64).scalar("silu", silu);
    let launch = launch.output("da", dtype, shape).output("db", dtype, shape);
    let made = launch.grid(groups(elements), [GROUP, 1, 1]).run()?;
    let [da, db] = made.try_into().expect("two outputs are declared");
    Ok((da, db))
}
