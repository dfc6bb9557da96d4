//! The portable body: matrices over their norms.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("orthogonalize_scale", include_str!("gpu.metal")).template("S").template("O");
    let definition = definition.input("x").input("size").scalar("elements", DType::U32).output("out");
    Program::new(definition).expect("the definition is valid")
});

/// `x` over `size`, one number for each matrix, in `dtype`; over 1 where that is 0.
pub(super) fn divided(stream: &Stream, x: &Tensor, size: &Tensor, dtype: DType) -> Result<Tensor> {
    let elements = x.elements() / size.elements();
    PROGRAM
        .launch(stream)
        .template("S", x.dtype())
        .template("O", dtype)
        .input("x", x)
        .input("size", size)
        .scalar("elements", elements as u32)
        .output("out", dtype, x.shape())
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}
