//! GPU path: one threadgroup a chunk of a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Inputs, NAME};

/// Tokens of a chunk (`CHUNK` of the body): 16 KiB of threadgroup memory.
const CHUNK: usize = 2048;
const THREADS: usize = 256;
/// Rows that a grid's second axis has.
const ROWS: usize = 65_535;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("penalize", include_str!("gpu.metal"))
        .template("MASKED")
        .input("logits")
        .input("penalties")
        .input("history")
        .input("tokens")
        .input("biases")
        .input("mask")
        .scalar("n", DType::U32)
        .scalar("entries", DType::U32)
        .scalar("biased", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn penalize(stream: &Stream, inputs: &Inputs) -> Result<Tensor> {
    let (rows, n) = (inputs.rows, inputs.n);
    if rows > ROWS {
        return Err(Error::shape(
            NAME,
            "logits",
            format!("at most {ROWS} rows on a GPU"),
            inputs.logits.shape(),
        ));
    }
    if rows * n == 0 {
        return Tensor::empty(stream, DType::F32, [rows, n]);
    }
    let none = Tensor::empty(stream, DType::U32, [0])?;
    PROGRAM
        .launch(stream)
        .template("MASKED", inputs.mask.is_some())
        .input("logits", inputs.logits)
        .input("penalties", inputs.penalties)
        .input("history", &inputs.history)
        .input("tokens", inputs.tokens)
        .input("biases", inputs.biases)
        .input("mask", inputs.mask.unwrap_or(&none))
        .scalar("n", n as u32)
        .scalar("entries", inputs.history.dims()[1] as u32)
        .scalar("biased", inputs.tokens.dims()[1] as u32)
        .output("out", DType::F32, [rows, n])
        .grid(Grid::groups([n.div_ceil(CHUNK), rows, 1]), [THREADS, 1, 1])
        .run_one()
}
