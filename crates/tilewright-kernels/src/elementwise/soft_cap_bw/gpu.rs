//! The portable body and its geometry: as `soft_cap`.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::elementwise::{GROUP, groups, vectors_fit};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"))
        .header(include_str!("gpu.header.metal"))
        .template("T")
        .template("ALIGNED")
        .input("dy")
        .input("x")
        .scalar("n", DType::U64)
        .scalar("cap", DType::F32)
        .output("dx");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn soft_cap_bw(stream: &Stream, dy: &Tensor, x: &Tensor, cap: f64) -> Result<Tensor> {
    if x.is_empty() {
        return Tensor::empty(stream, x.dtype(), x.shape());
    }
    PROGRAM
        .launch(stream)
        .template("T", x.dtype())
        .template("ALIGNED", vectors_fit(&[dy, x]))
        .input("dy", dy)
        .input("x", x)
        .scalar("n", x.elements() as u64)
        .scalar("cap", cap as f32)
        .output("dx", x.dtype(), x.shape())
        .grid(Grid::groups([groups(x.elements()), 1, 1]), [GROUP, 1, 1])
        .run_one()
}
