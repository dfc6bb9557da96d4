//! GPU path: one team of lanes a block, which holds it in registers.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{BLOCKS, NAME, Plan};

/// Quads that a lane holds at most (a longer block is read twice): 32 registers.
const HELD: usize = 8;
/// Threads of a group: what a row of 8192 fills.
const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("quantize", include_str!("gpu.metal"))
        .header(BLOCKS)
        .template("T")
        .template("V")
        .template("FORMAT")
        .template("VECTORS")
        .template("WIDE")
        .template("LANES")
        .template("HELD")
        .input("x")
        .scalar("rows", DType::U32)
        .scalar("n", DType::U32)
        .scalar("block", DType::U32)
        .scalar("blocks", DType::U32)
        .scalar("width", DType::U32)
        .output("values")
        .output("scales");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn quantize(stream: &Stream, x: &Tensor, plan: &Plan) -> Result<(Tensor, Tensor)> {
    let (dtype, format) = plan.format.stored(plan.bits);
    let nibbles = dtype == DType::U8;
    if x.elements() > i32::MAX as usize {
        return Err(Error::shape(NAME, "x", "fewer than 2^31 elements on a GPU", x.shape()));
    }
    if x.is_empty() {
        let values = Tensor::empty(stream, dtype, plan.values.as_slice())?;
        return Ok((values, Tensor::empty(stream, DType::F32, plan.scales.as_slice())?));
    }
    let vectors = plan.n.is_multiple_of(4) && x.layout().offset().is_multiple_of(4);
    let quads = plan.block.div_ceil(4);
    let wide = plan.block > 1024;
    let lanes = if wide { 32 } else { quads.next_power_of_two().min(32) };
    let held = if wide { HELD } else { quads.div_ceil(lanes).next_power_of_two() };
    let teams = if wide { 1 } else { THREADS / lanes };
    let results = PROGRAM
        .launch(stream)
        .template("T", x.dtype())
        .template("V", if dtype == DType::I8 { DType::I8 } else { DType::U8 })
        .template("FORMAT", format)
        .template("VECTORS", vectors)
        .template("WIDE", wide)
        .template("LANES", lanes)
        .template("HELD", held)
        .input("x", x)
        .scalar("rows", plan.rows as u32)
        .scalar("n", plan.n as u32)
        .scalar("block", plan.block as u32)
        .scalar("blocks", plan.blocks as u32)
        .scalar("width", if nibbles { plan.n.div_ceil(2) } else { plan.n } as u32)
        .output("values", dtype, plan.values.as_slice())
        .output("scales", DType::F32, plan.scales.as_slice())
        .grid(Grid::groups([(plan.rows * plan.blocks).div_ceil(teams), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [values, scales] = results.try_into().expect("two outputs are declared");
    Ok((values, scales))
}
