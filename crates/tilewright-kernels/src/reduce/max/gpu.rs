//! GPU path: the largest of every part of every row; where a row has several parts, the next launch takes the largest of those.

use std::sync::LazyLock;

use tilewright_core::{Result, Stream, Tensor};
use tilewright_gpu::Program;

use super::NAME;
use crate::reduce::argmax::gpu::BEST;
use crate::reduce::geometry::{REGISTERS, Split, definition};
use crate::reduce::rows::Rows;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[BEST], include_str!("gpu.metal")).most_registers(REGISTERS);
    Program::new(definition.output("out")).expect("the definition is valid")
});

pub(super) fn max(stream: &Stream, rows: &Rows) -> Result<Tensor> {
    let dtype = rows.x.dtype();
    let mut x = rows.x.clone();
    let mut n = rows.n;
    loop {
        let split = Split::new(NAME, rows.rows, n)?;
        let launch = split.launch(&PROGRAM, stream, &x);
        if split.parts == 1 {
            return launch.output("out", dtype, rows.reduced()).run_one();
        }
        n = split.parts;
        x = launch.output("out", dtype, [rows.rows, n]).run_one()?;
    }
}
