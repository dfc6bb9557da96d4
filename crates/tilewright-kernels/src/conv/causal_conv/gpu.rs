//! The portable body: a group of threads for each token and its channels.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use super::{CausalConvInputs, Extents, NAME};

/// What the bodies of the family share.
const HEADER: &str = include_str!("gpu.header.metal");

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, include_str!("gpu.metal")).input("bias").scalar("biased", DType::Bool);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// A program over x, the weights and the state.
pub(in crate::conv) fn definition(name: &'static str, body: &'static str) -> Definition {
    let definition = Definition::new(name, body).header(HEADER).template("T").template("W");
    let definition = definition.input("x").input("weight").input("state").scalar("stated", DType::Bool);
    ["tokens", "s", "d"].iter().fold(definition, |all, number| all.scalar(*number, DType::U32))
}

/// Its launch. An input that is absent is never read: the weights stand in its place.
pub(in crate::conv) fn launch<'a>(
    program: &'a Program,
    stream: &'a Stream,
    e: &Extents,
    inputs: &CausalConvInputs<'a>,
) -> Launch<'a> {
    let launch = program.launch(stream).template("T", inputs.x.dtype()).template("W", e.w);
    let launch = launch.input("x", inputs.x).input("weight", inputs.weight);
    let launch =
        launch.input("state", inputs.state.unwrap_or(inputs.weight)).scalar("stated", inputs.state.is_some());
    launch.scalar("tokens", (e.b * e.s) as u32).scalar("s", e.s as u32).scalar("d", e.d as u32)
}

pub(super) fn causal_conv(stream: &Stream, e: &Extents, inputs: &CausalConvInputs<'_>) -> Result<Tensor> {
    let x = inputs.x;
    if x.is_empty() {
        return Tensor::empty(stream, x.dtype(), x.shape());
    }
    let launch = launch(&PROGRAM, stream, e, inputs);
    let launch =
        launch.input("bias", inputs.bias.unwrap_or(inputs.weight)).scalar("biased", inputs.bias.is_some());
    let threads = e.d.next_multiple_of(32).min(256);
    let launch = launch.grid(Grid::groups([e.b * e.s, 1, 1]), [threads, 1, 1]);
    launch.output("out", x.dtype(), x.shape()).run_one()
}
