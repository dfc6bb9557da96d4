//! The portable bodies: a SIMD group for 32 columns of a matrix of up to 32 rows, a group of threads for them beyond.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::qr_reflectors::GPU_HEADER;
use super::Target;

fn program(definition: Definition) -> Program {
    let definition = definition.template("S").input("reflectors").input("tau").input("c");
    let definition = ["m", "n", "p", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition =
        definition.scalar("transpose", DType::Bool).scalar("identity", DType::Bool).output("out");
    Program::new(definition).expect("the definition is valid")
}

static SMALL: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("apply_q_small", include_str!("gpu.metal")).template("N")));
static BLOCKED: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("apply_q_blocked", include_str!("gpu.blocked.metal"));
    program(definition.header(GPU_HEADER).template("NB"))
});

/// The products, of this shape, which has elements.
pub(super) fn apply_q(
    stream: &Stream,
    reflectors: &Tensor,
    tau: &Tensor,
    target: &Target<'_>,
    transpose: bool,
    extents: &Extents,
    shape: &[usize],
) -> Result<Tensor> {
    let (m, p, items) = (extents.m, shape[shape.len() - 1], extents.batches());
    let tiles = items * p.div_ceil(32);
    let launch = if m <= 32 {
        let launch = SMALL.launch(stream).template("N", m.next_power_of_two().max(8));
        launch.grid(Grid::threads([tiles * 32, 1, 1]), [128, 1, 1])
    } else {
        // Threadgroup memory for blocks of f64 is there for half as many reflections.
        let columns = if reflectors.dtype() == DType::F64 { 8usize } else { 16 };
        BLOCKED.launch(stream).template("NB", columns).grid(Grid::groups([tiles, 1, 1]), [256, 1, 1])
    };
    // Where c is the identity, the reflections stand in for it and are not read as such.
    let c = match *target {
        Target::Matrix(c) => c,
        Target::Identity(_) => reflectors,
    };
    launch
        .template("S", reflectors.dtype())
        .input("reflectors", reflectors)
        .input("tau", tau)
        .input("c", c)
        .scalar("m", m as u32)
        .scalar("n", extents.n as u32)
        .scalar("p", p as u32)
        .scalar("items", items as u32)
        .scalar("transpose", transpose)
        .scalar("identity", matches!(target, Target::Identity(_)))
        .output("out", reflectors.dtype(), shape)
        .run_one()
}
