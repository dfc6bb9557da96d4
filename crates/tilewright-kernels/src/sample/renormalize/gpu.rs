//! GPU path: what `sample` finds of each row, then a thread for four neighbours.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Renormalize, Renormalized};
use crate::sample::sample::gpu::bounds;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let header = concat!(include_str!("../noise.header.metal"), include_str!("../bounds.header.metal"));
    let definition = Definition::new("renormalize", include_str!("gpu.metal"))
        .header(header)
        .template("T")
        .template("VECTORS")
        .template("WHAT")
        .input("x")
        .input("parameters")
        .input("bounds")
        .scalar("n", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn renormalize(
    stream: &Stream,
    logits: &Tensor,
    parameters: &Tensor,
    args: &Renormalize,
) -> Result<Tensor> {
    let (rows, n) = (logits.dims()[0], logits.dims()[1]);
    if rows == 0 {
        return Tensor::empty(stream, DType::F32, [0, n]);
    }
    let bounds = bounds(stream, logits, parameters, args.step)?;
    PROGRAM
        .launch(stream)
        .template("T", logits.dtype())
        .template("VECTORS", n.is_multiple_of(4) && logits.layout().offset().is_multiple_of(4))
        .template(
            "WHAT",
            match args.output {
                Renormalized::Probabilities => 0usize,
                Renormalized::Logprobs => 1,
                Renormalized::Logits => 2,
            },
        )
        .input("x", logits)
        .input("parameters", parameters)
        .input("bounds", &bounds)
        .scalar("n", n as u32)
        .output("out", DType::F32, [rows, n])
        .grid(Grid::groups([n.div_ceil(4 * THREADS), rows, 1]), [THREADS, 1, 1])
        .run_one()
}
