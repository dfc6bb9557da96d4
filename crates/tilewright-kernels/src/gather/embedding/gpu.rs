//! The portable body: a group of threads for each id.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).template("T");
    let definition = definition.input("table").input("ids").scalar("n", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

pub(super) fn embedding(stream: &Stream, table: &Tensor, ids: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let (n, d) = (table.dims()[0], table.dims()[1]);
    if d == 0 || ids.is_empty() {
        return Tensor::empty(stream, table.dtype(), shape);
    }
    if n == 0 {
        // Nothing can be read; every id is one that the table lacks.
        return Tensor::from_f64(&vec![f64::NAN; ids.elements() * d], table.dtype(), shape)?.to(stream);
    }
    let launch = PROGRAM.launch(stream).template("T", table.dtype()).input("table", table).input("ids", ids);
    let launch = launch.scalar("n", n as u32).scalar("d", d as u32).output("out", table.dtype(), shape);
    let threads = d.next_multiple_of(32).min(256);
    launch.grid(Grid::groups([ids.elements(), 1, 1]), [threads, 1, 1]).run_one()
}
