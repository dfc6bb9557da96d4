//! The portable bodies: what is left over.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

static SQUARES: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("lstsq_squares", include_str!("gpu.metal")).template("S").input("rest");
    let definition = ["m", "p", "columns"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("out")).expect("the definition is valid")
});

static RANKS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("lstsq_ranks", include_str!("gpu.ranks.metal")).input("info");
    Program::new(definition.scalar("n", DType::I32).output("out")).expect("the definition is valid")
});

/// The squares of the columns of `[.., m, p]`, which has elements.
pub(super) fn squares(stream: &Stream, rest: &Tensor, shape: Vec<usize>) -> Result<Tensor> {
    let (m, p) = (rest.dims()[rest.rank() - 2], rest.dims()[rest.rank() - 1]);
    let columns = shape.iter().product::<usize>();
    SQUARES
        .launch(stream)
        .template("S", rest.dtype())
        .input("rest", rest)
        .scalar("m", m as u32)
        .scalar("p", p as u32)
        .scalar("columns", columns as u32)
        .output("out", rest.dtype(), shape)
        .grid(Grid::threads([columns * 32, 1, 1]), [256, 1, 1])
        .run_one()
}

/// Ranks out of the infos of triangular solves, of which there are some.
pub(super) fn ranks(stream: &Stream, info: &Tensor, n: usize) -> Result<Tensor> {
    RANKS
        .launch(stream)
        .input("info", info)
        .scalar("n", n as i32)
        .output("out", DType::I32, info.dims())
        .grid(Grid::threads([info.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}
