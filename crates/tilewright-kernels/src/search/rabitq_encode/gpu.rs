//! GPU path: a SIMD group for each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("rabitq_encode", include_str!("gpu.metal")).input("x");
    let scalars = ["n", "d", "bytes"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("codes").output("squares").output("factors"))
        .expect("the definition is valid")
});

pub(super) fn rabitq_encode(stream: &Stream, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (n, d) = (x.dims()[0], x.dims()[1]);
    let bytes = d.div_ceil(8);
    if n == 0 {
        let none = || Tensor::empty(stream, DType::F32, [0]);
        return Ok((Tensor::empty(stream, DType::U8, [0, bytes])?, none()?, none()?));
    }
    let results = PROGRAM
        .launch(stream)
        .input("x", x)
        .scalar("n", n as u32)
        .scalar("d", d as u32)
        .scalar("bytes", bytes as u32)
        .output("codes", DType::U8, [n, bytes])
        .output("squares", DType::F32, [n])
        .output("factors", DType::F32, [n])
        .grid(Grid::groups([n.div_ceil(THREADS / 32), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [codes, squares, factors] = results.try_into().expect("three outputs are declared");
    Ok((codes, squares, factors))
}
