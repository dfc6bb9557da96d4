//! GPU path. A few of long rows: the largest key of every 32 elements is found in one pass over the rows, then one threadgroup a row looks at the best of
//! these groups again. Else up to [`SELECTED`]: each threadgroup selects the best k of a segment of a row, and further launches select among those until
//! a row is one segment. Beyond: segments are sorted whole, and sorted runs merged pairwise, cut to k.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use super::{NAME, TopK};
use crate::reduce::rows::Rows;

/// The largest k that is selected: half of what a threadgroup sorts, so that a bound with between k and twice as many candidates
/// above it is soon found.
const SELECTED: usize = 1024;
/// Candidates that a thread holds (`ITEMS` of the bodies).
const ITEMS: usize = 16;
/// Length of a sorted run (`CAPACITY` of the bodies).
const RUN: usize = 2048;
/// The largest k that is looked for in the best groups of 32 elements, and the lengths of rows for which it pays and whose groups' keys a
/// threadgroup holds.
const TILED: usize = 256;
const LONG: std::ops::RangeInclusive<usize> = 8192..=262_144;
/// Elements of a tile (`TILE` of the bodies).
const TILE: usize = 1024;
const HEADER: &str = concat!(include_str!("../order.metal"), include_str!("gpu.header.metal"));

fn program(name: &'static str, body: &'static str, with: impl FnOnce(Definition) -> Definition) -> Program {
    Program::new(with(Definition::new(name, body).header(HEADER))).expect("the definition is valid")
}

fn selection(definition: Definition) -> Definition {
    definition
        .scalar("n", DType::U32)
        .scalar("segments", DType::U32)
        .scalar("k", DType::U32)
        .scalar("last", DType::Bool)
        .output("candidates")
        .output("values")
        .output("positions")
}

static SELECT: LazyLock<Program> = LazyLock::new(|| {
    program("top_k", include_str!("gpu.metal"), |definition| {
        selection(definition.template("T").input("x").scalar("largest", DType::Bool))
    })
});

static AGAIN: LazyLock<Program> = LazyLock::new(|| {
    program("top_k_again", include_str!("gpu.again.metal"), |definition| {
        selection(definition.input("x").input("from").scalar("extent", DType::U32))
    })
});

static TILES: LazyLock<Program> = LazyLock::new(|| {
    let header = [HEADER, include_str!("gpu.tiled.header.metal")].concat();
    let definition = Definition::new("top_k_tiles", include_str!("gpu.tiles.metal"))
        .header(header)
        .template("T")
        .template("VECTORS")
        .input("x")
        .scalar("n", DType::U32)
        .scalar("tiles", DType::U32)
        .scalar("items", DType::U32)
        .scalar("largest", DType::Bool)
        .output("groups");
    Program::new(definition).expect("the definition is valid")
});

static ROWS: LazyLock<Program> = LazyLock::new(|| {
    let header = [HEADER, include_str!("gpu.tiled.header.metal")].concat();
    let definition = Definition::new("top_k_rows", include_str!("gpu.rows.metal"))
        .header(header)
        .template("T")
        .template("I")
        .template("VECTORS")
        .template("HELD")
        .input("x")
        .input("groups")
        .scalar("n", DType::U32)
        .scalar("tiles", DType::U32)
        .scalar("k", DType::U32)
        .scalar("largest", DType::Bool)
        .output("values")
        .output("positions");
    Program::new(definition).expect("the definition is valid")
});

static MERGE: LazyLock<Program> = LazyLock::new(|| {
    program("top_k_merge", include_str!("gpu.merge.metal"), |definition| {
        let scalars = ["rows", "count", "length", "kept"];
        let definition = definition.input("runs");
        scalars
            .into_iter()
            .fold(definition, |definition, name| definition.scalar(name, DType::U32))
            .output("merged")
    })
});

static GATHER: LazyLock<Program> = LazyLock::new(|| {
    program("top_k_gather", include_str!("gpu.gather.metal"), |definition| {
        let scalars = ["rows", "n", "k", "length"];
        let definition = definition.input("x").input("from");
        let definition =
            scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
        definition.output("values").output("positions")
    })
});

pub(super) fn top_k(stream: &Stream, rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    if rows.rows * rows.n > i32::MAX as usize {
        let got = format!("{} rows of {}", rows.rows, rows.n);
        return Err(Error::shape(NAME, "x", "fewer than 2^31 elements on a GPU", got));
    }
    let shape = rows.with_extent(args.k);
    if rows.rows * args.k == 0 {
        let empty = |dtype| Tensor::empty(stream, dtype, &shape);
        return Ok((empty(rows.x.dtype())?, empty(args.index)?));
    }
    if args.k <= TILED && LONG.contains(&rows.n) {
        tiled(stream, rows, args)
    } else if args.k <= SELECTED {
        selected(stream, rows, args)
    } else {
        merged(stream, rows, args)
    }
}

fn tiled(stream: &Stream, rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    const THREADS: usize = 256;
    let tiles = rows.n.div_ceil(TILE);
    let (items, shape) = (rows.rows * tiles, rows.with_extent(args.k));
    // A copy is made of what is not row-major, and starts aligned.
    let aligned = !rows.x.is_contiguous() || rows.x.layout().offset().is_multiple_of(4);
    let vectors = rows.n.is_multiple_of(4) && aligned;
    let groups = TILES
        .launch(stream)
        .template("T", rows.x.dtype())
        .template("VECTORS", vectors)
        .input("x", &rows.x)
        .scalar("n", rows.n as u32)
        .scalar("tiles", tiles as u32)
        .scalar("items", items as u32)
        .scalar("largest", args.largest)
        .output("groups", DType::U32, [rows.rows, tiles, 32])
        .grid(Grid::groups([items.div_ceil(4), 1, 1]), [128, 1, 1])
        .run_one()?;
    let results = ROWS
        .launch(stream)
        .template("T", rows.x.dtype())
        .template("I", args.index)
        .template("VECTORS", vectors)
        .template("HELD", (32 * tiles).div_ceil(THREADS).next_power_of_two())
        .input("x", &rows.x)
        .input("groups", &groups)
        .scalar("n", rows.n as u32)
        .scalar("tiles", tiles as u32)
        .scalar("k", args.k as u32)
        .scalar("largest", args.largest)
        .output("values", rows.x.dtype(), &shape)
        .output("positions", args.index, &shape)
        .grid(Grid::groups([rows.rows, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [values, positions] = results.try_into().expect("two outputs are declared");
    Ok((values, positions))
}

/// Segments of one launch.
struct Segments {
    n: usize,
    threads: usize,
    segments: usize,
}

impl Segments {
    fn new(n: usize, threads: usize) -> Self {
        let threads = n.div_ceil(ITEMS).next_multiple_of(32).min(threads);
        Self { n, threads, segments: n.div_ceil(threads * ITEMS) }
    }

    /// Completes a launch that leaves `k` candidates a segment, or the result where `result` says its dtype and shape.
    fn run(
        &self,
        launch: Launch,
        rows: &Rows,
        k: usize,
        result: Option<(DType, &[usize])>,
    ) -> Result<Vec<Tensor>> {
        let candidates = if result.is_some() { 0 } else { k };
        let (index, shape) = result.unwrap_or((DType::U32, &[0]));
        launch
            .scalar("n", self.n as u32)
            .scalar("segments", self.segments as u32)
            .scalar("k", k as u32)
            .scalar("last", result.is_some())
            .output("candidates", DType::U64, [rows.rows, self.segments, candidates])
            .output("values", rows.x.dtype(), shape)
            .output("positions", index, shape)
            .grid(Grid::groups([rows.rows * self.segments, 1, 1]), [self.threads, 1, 1])
            .run()
    }
}

fn selected(stream: &Stream, rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    // With more than 8 segments' worth in each, k candidates of 512 threads leave an eighth for the next launch.
    let threads = if args.k <= 256 { 256 } else { 512 };
    let shape = rows.with_extent(args.k);
    let result = |segments: &Segments| (segments.segments == 1).then_some((args.index, &shape[..]));
    let mut segments = Segments::new(rows.n, threads);
    let launch = SELECT
        .launch(stream)
        .template("T", rows.x.dtype())
        .input("x", &rows.x)
        .scalar("largest", args.largest);
    let mut found = segments.run(launch, rows, args.k, result(&segments))?;
    while segments.segments > 1 {
        segments = Segments::new(segments.segments * args.k, threads);
        let launch =
            AGAIN.launch(stream).input("x", &rows.x).input("from", &found[0]).scalar("extent", rows.n as u32);
        found = segments.run(launch, rows, args.k, result(&segments))?;
    }
    let positions = found.pop().expect("three outputs are declared");
    Ok((found.pop().expect("three outputs are declared"), positions))
}

fn merged(stream: &Stream, rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    const THREADS: usize = 256;
    let segments = Segments { n: rows.n, threads: RUN / ITEMS, segments: rows.n.div_ceil(RUN) };
    let launch = SELECT
        .launch(stream)
        .template("T", rows.x.dtype())
        .input("x", &rows.x)
        .scalar("largest", args.largest);
    let mut runs = segments.run(launch, rows, RUN, None)?.swap_remove(0);
    let (mut count, mut length) = (segments.segments, RUN);
    while count > 1 {
        let (pairs, kept) = (count.div_ceil(2), args.k.min(2 * length));
        let threads = rows.rows * pairs * 2 * length;
        runs = MERGE
            .launch(stream)
            .input("runs", &runs)
            .scalar("rows", rows.rows as u32)
            .scalar("count", count as u32)
            .scalar("length", length as u32)
            .scalar("kept", kept as u32)
            .output("merged", DType::U64, [rows.rows, pairs, kept])
            .grid(Grid::groups([threads.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
            .run_one()?;
        (count, length) = (pairs, kept);
    }
    let shape = rows.with_extent(args.k);
    let results = GATHER
        .launch(stream)
        .input("x", &rows.x)
        .input("from", &runs)
        .scalar("rows", rows.rows as u32)
        .scalar("n", rows.n as u32)
        .scalar("k", args.k as u32)
        .scalar("length", length as u32)
        .output("values", rows.x.dtype(), &shape)
        .output("positions", args.index, &shape)
        .grid(Grid::groups([(rows.rows * args.k).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [values, positions] = results.try_into().expect("two outputs are declared");
    Ok((values, positions))
}
