//! GPU path: one thread a candidate, and one a place of the result.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("topk_merge", include_str!("gpu.metal"))
        .header(concat!(include_str!("../../reduce/order.metal"), include_str!("gpu.header.metal")))
        .input("distances")
        .input("ids");
    let scalars = ["parts", "b", "kk", "k"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("nearest").output("found")).expect("the definition is valid")
});

pub(super) fn topk_merge(
    stream: &Stream,
    distances: &Tensor,
    ids: &Tensor,
    k: usize,
) -> Result<(Tensor, Tensor)> {
    let &[parts, b, kk] = distances.dims() else { unreachable!("checked to have three axes") };
    let threads = b.saturating_mul((parts * kk).saturating_add(k));
    if threads > i32::MAX as usize {
        let got = format!("{} and k {k}", distances.shape());
        return Err(Error::shape(NAME, "distances", "fewer than 2^31 candidates and places on a GPU", got));
    }
    if b * k == 0 {
        return Ok((Tensor::empty(stream, DType::F32, [b, k])?, Tensor::empty(stream, DType::I64, [b, k])?));
    }
    let results = PROGRAM
        .launch(stream)
        .input("distances", distances)
        .input("ids", ids)
        .scalar("parts", parts as u32)
        .scalar("b", b as u32)
        .scalar("kk", kk as u32)
        .scalar("k", k as u32)
        .output("nearest", DType::F32, [b, k])
        .output("found", DType::I64, [b, k])
        .grid(Grid::groups([threads.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [distances, ids] = results.try_into().expect("two outputs are declared");
    Ok((distances, ids))
}
