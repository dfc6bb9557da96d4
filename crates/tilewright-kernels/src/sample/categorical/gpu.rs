//! GPU path: one threadgroup a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Categorical, NAME};
use crate::sample::noise::TILE;

/// At most; what registers allow on any chip.
const THREADS: usize = 512;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("categorical", include_str!("gpu.metal"))
        .header(concat!(include_str!("../noise.header.metal"), include_str!("../race.header.metal")))
        .template("T")
        .template("PROBABILITIES")
        .input("x")
        .input("seeds")
        .input("positions")
        .scalar("n", DType::U32)
        .scalar("draws", DType::U32)
        .output("ids")
        .output("found");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn categorical(
    stream: &Stream,
    x: &Tensor,
    seeds: &Tensor,
    positions: &Tensor,
    args: &Categorical,
) -> Result<Tensor> {
    let (rows, n) = (x.dims()[0], x.dims()[1]);
    if rows * args.draws == 0 {
        return Tensor::empty(stream, DType::U32, [rows, args.draws]);
    }
    if rows > i32::MAX as usize {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 rows"));
    }
    let mut results = PROGRAM
        .launch(stream)
        .template("T", x.dtype())
        .template("PROBABILITIES", args.probabilities)
        .input("x", x)
        .input("seeds", seeds)
        .input("positions", positions)
        .scalar("n", n as u32)
        .scalar("draws", args.draws as u32)
        .output("ids", DType::U32, [rows, args.draws])
        .output("found", DType::F32, [rows, 2, n.div_ceil(TILE)])
        .grid(Grid::groups([rows, 1, 1]), [n.div_ceil(TILE).saturating_mul(32).min(THREADS), 1, 1])
        .run()?;
    Ok(results.swap_remove(0))
}
