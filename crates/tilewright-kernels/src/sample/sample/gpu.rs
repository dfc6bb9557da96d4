//! GPU path: one SIMD group a tile of a row, then one threadgroup a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{Logprobs, NAME, Sample, Sampled};
use crate::sample::noise::TILE;

/// The longest list of likeliest tokens.
const TOP: usize = 1024;
/// Rows that a grid's second axis has.
const ROWS: usize = 65_535;
/// Words that say what a row keeps (`BOUND` of the bodies).
const BOUND: usize = 10;
/// Tiles of one threadgroup: few, so that one row already uses many of the chip's units.
const TOGETHER: usize = 4;

static TILES: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("sample_tiles", include_str!("gpu.metal"))
        .header(include_str!("../noise.header.metal"))
        .early()
        .template("T")
        .template("VECTORS")
        .input("x")
        .input("parameters")
        .scalar("n", DType::U32)
        .scalar("tiles", DType::U32)
        .scalar("step", DType::U64)
        .output("groups")
        .output("tops")
        .output("sums")
        .output("moments");
    Program::new(definition).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let header = concat!(
        include_str!("../noise.header.metal"),
        include_str!("../bounds.header.metal"),
        include_str!("gpu.header.metal")
    );
    let definition = Definition::new("sample_rows", include_str!("gpu.rows.metal"))
        .header(header)
        .early()
        .template("T")
        .template("VECTORS")
        .template("PROCESSED")
        .template("BOUNDS")
        .input("x")
        .input("parameters")
        .input("groups")
        .input("tops")
        .input("sums")
        .input("moments")
        .scalar("n", DType::U32)
        .scalar("tiles", DType::U32)
        .scalar("top_n", DType::U32)
        .scalar("step", DType::U64)
        .output("ids")
        .output("logprobs")
        .output("top_ids")
        .output("top_logprobs")
        .output("bounds");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn sample(
    stream: &Stream,
    logits: &Tensor,
    parameters: &Tensor,
    args: &Sample,
) -> Result<Sampled> {
    let rows = logits.dims()[0];
    if args.top_n > TOP {
        let why = format!("the list of the likeliest tokens has {TOP} places");
        return Err(Error::unsupported(NAME, stream.device(), why));
    }
    let top = [rows, args.top_n];
    if rows == 0 {
        let empty = |dtype, shape: &[usize]| Tensor::empty(stream, dtype, shape);
        return Ok(Sampled {
            ids: empty(DType::U32, &[0])?,
            logprobs: empty(DType::F32, &[0])?,
            top_ids: empty(DType::U32, &top)?,
            top_logprobs: empty(DType::F32, &top)?,
        });
    }
    let found = launch(stream, logits, parameters, args, false)?;
    let [ids, logprobs, top_ids, top_logprobs, _] = found.try_into().expect("five outputs are declared");
    Ok(Sampled { ids, logprobs, top_ids, top_logprobs })
}

/// What each row of at least one keeps (`BOUND` words of the bodies).
pub(in crate::sample) fn bounds(
    stream: &Stream,
    logits: &Tensor,
    parameters: &Tensor,
    step: u64,
) -> Result<Tensor> {
    let args = Sample { step, ..Sample::default() };
    Ok(launch(stream, logits, parameters, &args, true)?.pop().expect("five outputs are declared"))
}

fn launch(
    stream: &Stream,
    logits: &Tensor,
    parameters: &Tensor,
    args: &Sample,
    bounds: bool,
) -> Result<Vec<Tensor>> {
    let (rows, n) = (logits.dims()[0], logits.dims()[1]);
    if rows > ROWS {
        return Err(Error::shape(NAME, "logits", format!("at most {ROWS} rows on a GPU"), logits.shape()));
    }
    let top = [rows, args.top_n];
    let tiles = n.div_ceil(TILE);
    // Four elements at once, where every row starts at a multiple of four.
    let vectors = n.is_multiple_of(4) && logits.layout().offset().is_multiple_of(4);
    let together = tiles.min(TOGETHER);
    let found = TILES
        .launch(stream)
        .template("T", logits.dtype())
        .template("VECTORS", vectors)
        .input("x", logits)
        .input("parameters", parameters)
        .scalar("n", n as u32)
        .scalar("tiles", tiles as u32)
        .scalar("step", args.step)
        .output("groups", DType::U32, [rows, tiles, 32])
        .output("tops", DType::U32, [rows, tiles])
        .output("sums", DType::F32, [rows, tiles, 2])
        .output("moments", DType::U64, [rows, tiles, 3])
        .grid(Grid::groups([tiles.div_ceil(together), rows, 1]), [32 * together, 1, 1])
        .run()?;
    let [groups, tops, sums, moments] = &found[..] else { unreachable!("four outputs are declared") };
    // What registers allow on any chip; of a chip whose registers hold 512, twice as many search a row that no list serves, while rows are so few
    // that each has a unit of its own.
    let wide = rows <= 128 && !matches!(stream.device(), Device::Metal(_));
    let most = if wide { 512 } else { 256 };
    let threads = (n / 32).next_multiple_of(32).clamp(64, most);
    FINISH
        .launch(stream)
        .template("T", logits.dtype())
        .template("VECTORS", vectors)
        .template("PROCESSED", args.logprobs == Logprobs::Processed)
        .template("BOUNDS", bounds)
        .input("x", logits)
        .input("parameters", parameters)
        .input("groups", groups)
        .input("tops", tops)
        .input("sums", sums)
        .input("moments", moments)
        .scalar("n", n as u32)
        .scalar("tiles", tiles as u32)
        .scalar("top_n", args.top_n as u32)
        .scalar("step", args.step)
        .output("ids", DType::U32, [rows])
        .output("logprobs", DType::F32, [rows])
        .output("top_ids", DType::U32, top)
        .output("top_logprobs", DType::F32, top)
        .output("bounds", DType::U32, [if bounds { rows } else { 0 }, BOUND])
        .grid(Grid::groups([rows, 1, 1]), [threads, 1, 1])
        .run()
}
