//! On a GPU: an element a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use crate::extended::{Operand, Pair, TWOFOLD};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("extended_axpy", include_str!("gpu.metal")).header(TWOFOLD).template("S");
    let definition = ["alpha", "x", "x_low", "y", "y_low"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("x_has_low", DType::Bool).scalar("y_has_low", DType::Bool);
    Program::new(definition.output("out").output("out_low")).expect("the definition is valid")
});

pub(super) fn axpy(stream: &Stream, x: Operand<'_>, y: Operand<'_>, alpha: f64) -> Result<Pair> {
    let dtype = x.high.dtype();
    let high = if dtype == DType::F64 { alpha } else { f64::from(alpha as f32) };
    let alpha = Tensor::from_f64(&[high, alpha - high], dtype, [2])?.to(stream)?;
    let outputs = PROGRAM
        .launch(stream)
        .template("S", dtype)
        .input("alpha", &alpha)
        .input("x", x.high)
        .input("x_low", x.low.unwrap_or(x.high))
        .input("y", y.high)
        .input("y_low", y.low.unwrap_or(y.high))
        .scalar("x_has_low", x.low.is_some())
        .scalar("y_has_low", y.low.is_some())
        .output("out", dtype, x.high.shape())
        .output("out_low", dtype, x.high.shape())
        .grid(Grid::threads([x.high.elements(), 1, 1]), [256, 1, 1])
        .run()?;
    let [high, low] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Pair { high, low })
}
