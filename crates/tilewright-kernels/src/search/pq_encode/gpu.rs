//! GPU path: a thread for each byte of a code.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::search::product::Product;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("pq_encode", include_str!("gpu.metal"))
        .template("WORDS")
        .input("x")
        .input("codebooks");
    let scalars = ["n", "m", "part", "bytes"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("codes")).expect("the definition is valid")
});

pub(super) fn pq_encode(stream: &Stream, x: &Tensor, codebooks: &Tensor, product: Product) -> Result<Tensor> {
    let (n, bytes) = (x.dims()[0], product.bytes());
    if n * bytes > i32::MAX as usize {
        return Err(Error::shape(NAME, "x", "codes of fewer than 2^31 bytes on a GPU", x.shape()));
    }
    if n == 0 {
        return Tensor::empty(stream, DType::U8, [n, bytes]);
    }
    PROGRAM
        .launch(stream)
        .template("WORDS", product.words as i32)
        .input("x", x)
        .input("codebooks", codebooks)
        .scalar("n", n as u32)
        .scalar("m", product.m as u32)
        .scalar("part", product.part as u32)
        .scalar("bytes", bytes as u32)
        .output("codes", DType::U8, [n, bytes])
        .grid(Grid::groups([(n * bytes).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
