//! GPU path: one team of lanes a block, which holds it in registers; a launch each for keys and values, whose formats may differ.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::pack::Quantized;
use crate::pack::quantize::{BLOCKS, extents};

const THREADS: usize = 128;
/// Numbers of the longest block that a SIMD group holds.
const WIDEST: usize = 1024;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal"))
        .header(BLOCKS)
        .template("T")
        .template("V")
        .template("FORMAT")
        .template("VECTORS")
        .template("LANES")
        .template("HELD")
        .input("x")
        .input("slots");
    let sizes = ["total", "heads", "d", "group", "groups", "width"];
    let definition =
        sizes.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("capacity", DType::U64).in_place("values").in_place("scales");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn append(
    stream: &Stream,
    argument: &'static str,
    x: &Tensor,
    slots: &Tensor,
    cache: &mut Quantized,
) -> Result<()> {
    let args = *cache.args();
    let (heads, d) = (x.dims()[1], x.dims()[2]);
    let [width, group, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
    let (dtype, format) = args.format.stored(args.bits);
    if group > WIDEST {
        let why = format!("blocks of {group} numbers: a SIMD group holds {WIDEST}");
        return Err(Error::unsupported(NAME, stream.device(), why));
    }
    if x.elements() > i32::MAX as usize {
        return Err(Error::shape(NAME, argument, "fewer than 2^31 elements on a GPU", x.shape()));
    }
    let dims = cache.dims();
    let (total, capacity) = (x.dims()[0] * heads * groups, dims[0] * dims[1]);
    if total == 0 || capacity == 0 {
        return Ok(());
    }
    // A view that is not row-major is copied first, to where it starts aligned.
    let aligned = |x: &Tensor, to: usize| !x.is_contiguous() || x.layout().offset().is_multiple_of(to);
    let vectors = d.is_multiple_of(4) && aligned(x, 4) && aligned(cache.values(), 4);
    let quads = group.div_ceil(4);
    let lanes = quads.next_power_of_two().min(32);
    let [values, scales] = cache.parts_mut();
    PROGRAM
        .launch(stream)
        .template("T", x.dtype())
        .template("V", if dtype == DType::I8 { DType::I8 } else { DType::U8 })
        .template("FORMAT", format)
        .template("VECTORS", vectors)
        .template("LANES", lanes)
        .template("HELD", quads.div_ceil(lanes).next_power_of_two())
        .input("x", x)
        .input("slots", slots)
        .scalar("total", total as u32)
        .scalar("heads", heads as u32)
        .scalar("d", d as u32)
        .scalar("group", group as u32)
        .scalar("groups", groups as u32)
        .scalar("width", width as u32)
        .scalar("capacity", capacity as u64)
        .in_place("values", values)
        .in_place("scales", scales)
        .grid(Grid::groups([total.div_ceil(THREADS / lanes), 1, 1]), [THREADS, 1, 1])
        .run()?;
    Ok(())
}
