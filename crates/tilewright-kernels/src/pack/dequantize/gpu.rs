//! GPU path: four elements a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{NAME, NUMBERS, Plan};

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("dequantize", include_str!("gpu.metal"))
        .header(NUMBERS)
        .template("T")
        .template("V")
        .template("FORMAT")
        .template("VECTORS")
        .input("values")
        .input("scales")
        .scalar("rows", DType::U32)
        .scalar("n", DType::U32)
        .scalar("block", DType::U32)
        .scalar("blocks", DType::U32)
        .scalar("width", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn dequantize(stream: &Stream, values: &Tensor, scales: &Tensor, plan: &Plan) -> Result<Tensor> {
    let elements = plan.rows * plan.n;
    if elements > i32::MAX as usize {
        return Err(Error::shape(NAME, "values", "fewer than 2^31 elements on a GPU", values.shape()));
    }
    if elements == 0 {
        return Tensor::empty(stream, plan.dtype, plan.out.as_slice());
    }
    let vectors = plan.n.is_multiple_of(4) && values.layout().offset().is_multiple_of(4);
    PROGRAM
        .launch(stream)
        .template("T", plan.dtype)
        .template("V", if values.dtype() == DType::I8 { DType::I8 } else { DType::U8 })
        .template("FORMAT", plan.format.stored(plan.bits).1)
        .template("VECTORS", vectors)
        .input("values", values)
        .input("scales", scales)
        .scalar("rows", plan.rows as u32)
        .scalar("n", plan.n as u32)
        .scalar("block", plan.block as u32)
        .scalar("blocks", plan.blocks as u32)
        .scalar("width", plan.width as u32)
        .output("out", plan.dtype, plan.out.as_slice())
        .grid(Grid::groups([(plan.rows * plan.n.div_ceil(4)).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
