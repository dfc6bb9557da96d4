//! The portable bodies: the symmetric part, and what is left of the matrix; the answer.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

static PARTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("is_spd_parts", include_str!("gpu.metal")).template("S");
    let definition = definition.input("x").input("size").scalar("n", DType::U32).scalar("by", DType::F32);
    Program::new(definition.output("shifted").output("apart")).expect("the definition is valid")
});

static DECIDE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("is_spd_decide", include_str!("gpu.decide.metal")).template("S");
    let definition = ["info", "apart", "size"].into_iter().fold(definition, Definition::input);
    Program::new(definition.scalar("by", DType::F32).output("spd")).expect("the definition is valid")
});

/// The mean with the transpose less `rtol` times `size` on the diagonal, over `size`, and the difference from the transpose over it.
pub(super) fn parts(
    stream: &Stream,
    x: &Tensor,
    size: &Tensor,
    rtol: f64,
    n: usize,
) -> Result<(Tensor, Tensor)> {
    let outputs = PARTS
        .launch(stream)
        .template("S", x.dtype())
        .input("x", x)
        .input("size", size)
        .scalar("n", n as u32)
        .scalar("by", rtol as f32)
        .output("shifted", x.dtype(), x.shape())
        .output("apart", x.dtype(), x.shape())
        .grid(Grid::threads([x.elements(), 1, 1]), [256, 1, 1])
        .run()?;
    let [shifted, apart] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((shifted, apart))
}

/// The answer.
pub(super) fn decided(
    stream: &Stream,
    info: &Tensor,
    apart: &Tensor,
    size: &Tensor,
    rtol: f64,
) -> Result<Tensor> {
    DECIDE
        .launch(stream)
        .template("S", size.dtype())
        .input("info", info)
        .input("apart", apart)
        .input("size", size)
        .scalar("by", rtol as f32)
        .output("spd", DType::I32, info.shape())
        .grid(Grid::threads([info.elements(), 1, 1]), [256, 1, 1])
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
            compiles(&PARTS, &[real.into()], &[real; 4]);
            compiles(&DECIDE, &[real.into()], &[I32, real, real, I32]);
        }
    }
}
