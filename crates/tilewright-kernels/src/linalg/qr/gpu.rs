//! The portable body: r out of the reflections' matrix, and the signs.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_finish", include_str!("gpu.metal")).template("S").template("Q");
    let definition =
        ["m", "n", "rows"].into_iter().fold(definition.input("packed").input("from"), |definition, name| {
            definition.scalar(name, DType::U32)
        });
    Program::new(definition.scalar("nonnegative", DType::Bool).output("out"))
        .expect("the definition is valid")
});

/// r, of this shape, from above the diagonal; with `nonnegative` its rows and q's columns change their signs where its diagonal is negative.
pub(super) fn finish(
    stream: &Stream,
    reflectors: &Tensor,
    q: Option<Tensor>,
    extents: &Extents,
    shape: &[usize],
    nonnegative: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let launch = |from: &Tensor, is_q: bool, shape: &[usize]| {
        let elements = shape.iter().product::<usize>();
        if elements == 0 {
            return Tensor::empty(stream, reflectors.dtype(), shape);
        }
        FINISH
            .launch(stream)
            .template("S", reflectors.dtype())
            .template("Q", is_q)
            .input("packed", reflectors)
            .input("from", from)
            .scalar("m", extents.m as u32)
            .scalar("n", extents.n as u32)
            .scalar("rows", shape[shape.len() - 2] as u32)
            .scalar("nonnegative", nonnegative)
            .output("out", reflectors.dtype(), shape)
            .grid(Grid::threads([elements, 1, 1]), [256, 1, 1])
            .run_one()
    };
    let r = launch(reflectors, false, shape)?;
    let q = match q {
        Some(q) if nonnegative && extents.n > 0 => Some(launch(&q, true, q.dims())?),
        q => q,
    };
    Ok((q, r))
}
