//! GPU path: a threadgroup for each query, a SIMD group for each row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{NAME, Rerank};
use crate::search::device::check_k;
use crate::search::vectors::Vectors;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("rerank", include_str!("gpu.metal"))
        .header(concat!(
            include_str!("../../reduce/order.metal"),
            include_str!("../../reduce/top_k/gpu.header.metal"),
            include_str!("../scan.header.metal")
        ))
        .template("T")
        .template("METRIC");
    let inputs = ["queries", "data", "rows", "row_ids"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "d", "k", "c"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("labelled", DType::Bool);
    Program::new(definition.output("distances").output("ids")).expect("the definition is valid")
});

pub(super) fn rerank(
    stream: &Stream,
    vectors: &Vectors,
    rows: &Tensor,
    args: &Rerank,
) -> Result<(Tensor, Tensor)> {
    check_k(NAME, stream.device(), args.k)?;
    let (b, c, k) = (vectors.b, rows.dims()[1], args.k);
    if b * c.max(k).max(1) > i32::MAX as usize {
        return Err(Error::shape(NAME, "rows", "fewer than 2^31 rows and results on a GPU", rows.shape()));
    }
    if b * k == 0 || c == 0 || vectors.n == 0 {
        let distances = Tensor::from_vec(vec![f32::INFINITY; b * k], [b, k])?.to(stream)?;
        return Ok((distances, Tensor::from_vec(vec![-1i64; b * k], [b, k])?.to(stream)?));
    }
    let no_ids = Tensor::zeros(DType::U32, [1])?.to(stream)?;
    let results = PROGRAM
        .launch(stream)
        .template("T", vectors.data.dtype())
        .template("METRIC", args.metric as i32)
        .input("queries", &vectors.queries)
        .input("data", &vectors.data)
        .input("rows", rows)
        .input("row_ids", vectors.ids.as_ref().unwrap_or(&no_ids))
        .scalar("n", vectors.n as u32)
        .scalar("d", vectors.d as u32)
        .scalar("k", k as u32)
        .scalar("c", c as u32)
        .scalar("labelled", vectors.ids.is_some())
        .output("distances", DType::F32, [b, k])
        .output("ids", DType::I64, [b, k])
        .grid(Grid::groups([b, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [distances, ids] = results.try_into().expect("two outputs are declared");
    Ok((distances, ids))
}
