//! GPU path: a thread for four elements, whose words fill whole bytes.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::search::scalar::Scalar;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("sq_encode", include_str!("gpu.metal")).template("BITS").input("x").input("ranges");
    let scalars = ["n", "d", "units", "bytes"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("codes")).expect("the definition is valid")
});

pub(super) fn sq_encode(stream: &Stream, x: &Tensor, ranges: &Tensor, scalar: Scalar) -> Result<Tensor> {
    let (n, bytes, units) = (x.dims()[0], scalar.bytes(), scalar.d.div_ceil(4));
    if n * units > i32::MAX as usize {
        return Err(Error::shape(NAME, "x", "fewer than 2^33 elements on a GPU", x.shape()));
    }
    if n == 0 {
        return Tensor::empty(stream, DType::U8, [n, bytes]);
    }
    PROGRAM
        .launch(stream)
        .template("BITS", scalar.bits as i32)
        .input("x", x)
        .input("ranges", ranges)
        .scalar("n", n as u32)
        .scalar("d", scalar.d as u32)
        .scalar("units", units as u32)
        .scalar("bytes", bytes as u32)
        .output("codes", DType::U8, [n, bytes])
        .grid(Grid::groups([(n * units).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
