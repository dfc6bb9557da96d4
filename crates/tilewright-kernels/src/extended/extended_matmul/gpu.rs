//! On a GPU: tiles of 16 x 16.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Sizes;
use crate::extended::{Operand, Pair, TWOFOLD};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("extended_matmul", include_str!("gpu.metal")).header(TWOFOLD).template("S");
    let definition = ["a", "a_low", "b", "b_low"].into_iter().fold(definition, Definition::input);
    let definition =
        ["m", "k", "n"].into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("a_has_low", DType::Bool).scalar("b_has_low", DType::Bool);
    Program::new(definition.output("out").output("out_low")).expect("the definition is valid")
});

/// The side of a tile.
const TILE: usize = 16;

pub(super) fn product(stream: &Stream, a: Operand<'_>, b: Operand<'_>, sizes: &Sizes) -> Result<Pair> {
    let &Sizes { batches, m, k, n, ref shape } = sizes;
    let outputs = PROGRAM
        .launch(stream)
        .template("S", a.high.dtype())
        .input("a", a.high)
        .input("a_low", a.low.unwrap_or(a.high))
        .input("b", b.high)
        .input("b_low", b.low.unwrap_or(b.high))
        .scalar("m", m as u32)
        .scalar("k", k as u32)
        .scalar("n", n as u32)
        .scalar("a_has_low", a.low.is_some())
        .scalar("b_has_low", b.low.is_some())
        .output("out", a.high.dtype(), &shape[..])
        .output("out_low", a.high.dtype(), &shape[..])
        .grid(Grid::groups([n.div_ceil(TILE), m.div_ceil(TILE), batches]), [TILE, TILE, 1])
        .run()?;
    let [high, low] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Pair { high, low })
}
