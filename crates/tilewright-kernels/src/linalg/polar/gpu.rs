//! The portable body: where the iteration starts.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("polar_start", include_str!("gpu.metal")).template("S");
    let definition = ["x", "size", "noise"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("elements", DType::U32).scalar("by", DType::F32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// `x` over `size`, one number for each matrix, or over 1 where that is 0, and so much of `noise`, of one matrix; NaN where `size` is no number.
pub(super) fn start(stream: &Stream, x: &Tensor, size: &Tensor, noise: &Tensor, by: f64) -> Result<Tensor> {
    PROGRAM
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("size", size)
        .input("noise", noise)
        .scalar("elements", noise.elements() as u32)
        .scalar("by", by as f32)
        .output("out", x.dtype(), x.shape())
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64] {
            compiles(&PROGRAM, &[real.into()], &[real; 4]);
        }
    }
}
