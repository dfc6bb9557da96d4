//! The portable body: part of a SIMD group a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid};

use super::super::Sizes;
use super::super::gpu::{GROUP, Pair, columns_per_thread};

static PROGRAM: LazyLock<Pair> = LazyLock::new(|| {
    let definition = Definition::new("deflate", include_str!("gpu.metal"))
        .template("T")
        .template("RUN")
        .template("LANES")
        .input("q")
        .input("c")
        .input("v")
        .scalar("m", DType::U32)
        .scalar("k", DType::U32)
        .scalar("p", DType::U32)
        .output("out");
    Pair::new(definition)
});

/// Rows that a thread takes one after another.
const STEPS: usize = 4;

pub(super) fn deflate(
    stream: &Stream,
    q: &Tensor,
    c: &Tensor,
    v: &Tensor,
    sizes: &Sizes,
    compensated: bool,
) -> Result<Tensor> {
    let &Sizes { m, k, .. } = sizes;
    let (batches, p) = (sizes.batches(), sizes.columns());
    if batches * m * p == 0 {
        return Tensor::empty(stream, q.dtype(), sizes.shape(m));
    }
    let run = columns_per_thread(q, k);
    let lanes = (k / run).next_power_of_two().clamp(1, 32);
    let groups_per_column = m.div_ceil(STEPS * GROUP / lanes);
    PROGRAM
        .launch(stream, q.dtype(), compensated)
        .template("T", q.dtype())
        .template("RUN", run)
        .template("LANES", lanes)
        .input("q", q)
        .input("c", c)
        .input("v", v)
        .scalar("m", m as u32)
        .scalar("k", k as u32)
        .scalar("p", p as u32)
        .output("out", q.dtype(), sizes.shape(m))
        .grid(Grid::groups([batches * p * groups_per_column, 1, 1]), [GROUP, 1, 1])
        .run_one()
}
