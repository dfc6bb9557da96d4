//! GPU path: four elements of the result a thread.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::cache::kv_gather::Plan;
use crate::pack::Quantized;
use crate::pack::dequantize::NUMBERS;
use crate::pack::quantize::extents;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"))
        .header(NUMBERS)
        .template("T")
        .template("V")
        .template("FORMAT")
        .template("VECTORS")
        .input("values")
        .input("scales")
        .input("table")
        .input("lengths");
    let sizes = ["total", "d", "width", "group", "groups", "tokens", "heads", "block", "blocks", "entries"];
    let definition =
        sizes.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.scalar("heads_first", DType::Bool).output("out"))
        .expect("the definition is valid")
});

pub(super) fn kv_gather_quantized(
    stream: &Stream,
    cache: &Quantized,
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
    dtype: DType,
) -> Result<Tensor> {
    let args = cache.args();
    let d = plan.row;
    let [width, group, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
    let lines = plan.sequences * plan.tokens * plan.heads;
    if lines * d == 0 {
        return Tensor::empty(stream, dtype, plan.out);
    }
    let values = cache.values();
    if lines * d > i32::MAX as usize {
        let expected = "a result of fewer than 2^31 elements on a GPU";
        return Err(Error::shape(NAME, "cache", expected, values.shape()));
    }
    // A view that is not row-major is copied first, to where it starts aligned.
    let vectors =
        d.is_multiple_of(4) && (!values.is_contiguous() || values.layout().offset().is_multiple_of(4));
    let total = lines * d.div_ceil(4);
    PROGRAM
        .launch(stream)
        .template("T", dtype)
        .template("V", if values.dtype() == DType::I8 { DType::I8 } else { DType::U8 })
        .template("FORMAT", args.format.stored(args.bits).1)
        .template("VECTORS", vectors)
        .input("values", values)
        .input("scales", cache.scales())
        .input("table", table)
        .input("lengths", lengths)
        .scalar("total", total as u32)
        .scalar("d", d as u32)
        .scalar("width", width as u32)
        .scalar("group", group as u32)
        .scalar("groups", groups as u32)
        .scalar("tokens", plan.tokens as u32)
        .scalar("heads", plan.heads as u32)
        .scalar("block", plan.block as u32)
        .scalar("blocks", plan.blocks as u32)
        .scalar("entries", plan.entries as u32)
        .scalar("heads_first", plan.heads_first)
        .output("out", dtype, plan.out)
        .grid(Grid::groups([total.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()
}
