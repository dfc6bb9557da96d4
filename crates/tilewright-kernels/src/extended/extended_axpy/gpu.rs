//! On a GPU: an element a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use crate::extended::{Operand, Pair, TWOFOLD};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("extended_axpy", include_str!("gpu.metal")).header(TWOFOLD);
    let definition = ["x", "x_low", "y", "y_low"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("alpha", DType::F32).scalar("alpha_low", DType::F32);
    let definition = definition.scalar("x_has_low", DType::Bool).scalar("y_has_low", DType::Bool);
    Program::new(definition.output("out").output("out_low")).expect("the definition is valid")
});

pub(super) fn axpy(stream: &Stream, x: Operand<'_>, y: Operand<'_>, alpha: f64) -> Result<Pair> {
    let high = alpha as f32;
    let outputs = PROGRAM
        .launch(stream)
        .input("x", x.high)
        .input("x_low", x.low.unwrap_or(x.high))
        .input("y", y.high)
        .input("y_low", y.low.unwrap_or(y.high))
        .scalar("alpha", high)
        .scalar("alpha_low", (alpha - f64::from(high)) as f32)
        .scalar("x_has_low", x.low.is_some())
        .scalar("y_has_low", y.low.is_some())
        .output("out", DType::F32, x.high.shape())
        .output("out_low", DType::F32, x.high.shape())
        .grid(Grid::threads([x.high.elements(), 1, 1]), [256, 1, 1])
        .run()?;
    let [high, low] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Pair { high, low })
}
