//! How rows are handed to the threads of a GPU: the host's side of `rows.metal`.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

/// The functions that the bodies of the family share.
pub(super) const HEADER: &str = include_str!("rows.metal");
/// Elements of a row that one threadgroup takes at most: 8 quads for each of 256 threads, so that a single long row still
/// becomes work for every multiprocessor, and no partial sum is longer than 32 terms.
const CHUNK: usize = 8192;
/// Elements up to which one SIMD group takes a part by itself.
const NARROW: usize = 512;
/// Elements of a tile: 8 quads for each of 32 lanes.
const TILE: usize = 1024;
/// Parts of a row in tiles, at most: 8 for each thread that combines them.
const PARTS: usize = 2048;
/// Threads of a group, at most.
pub(super) const THREADS: usize = 256;
/// Of a thread, for a body with 8 quads on their way at once. Without a bound of this kind NVIDIA's compiler takes 32, and the quads by threes.
pub(super) const REGISTERS: u32 = 64;

/// A division of `rows` rows of `n` elements into items: parts of rows of at most [`CHUNK`] elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    n: usize,
    chunk: usize,
    /// Parts of a row.
    pub(super) parts: usize,
    items: usize,
    /// Whether an item is a threadgroup's work, and not one SIMD group's.
    wide: bool,
    threads: usize,
}

impl Split {
    /// Fails where positions or items leave 32 bits.
    pub(super) fn new(operation: &'static str, rows: usize, n: usize) -> Result<Self> {
        Self::with_chunk(operation, rows, n, n.div_ceil(n.div_ceil(CHUNK).max(1)).next_multiple_of(4))
    }

    /// With a part of [`TILE`] elements, or several, for each SIMD group: of a reducer whose result does not depend on the division, and which has
    /// all of a tile on its way at once.
    pub(super) fn in_tiles(operation: &'static str, rows: usize, n: usize) -> Result<Self> {
        // A tile each until the chip has enough of them, then up to 8.
        let tiles = (rows * n / TILE).div_ceil(PARTS).clamp(1, CHUNK / TILE);
        let chunk = n.div_ceil(PARTS).max(tiles * TILE).next_multiple_of(TILE);
        let split = Self::with_chunk(operation, rows, n, chunk)?;
        Ok(Self { wide: false, threads: (32 * split.items).clamp(32, 4 * 32), ..split })
    }

    /// With parts of this length, a multiple of 4.
    pub(super) fn with_chunk(operation: &'static str, rows: usize, n: usize, chunk: usize) -> Result<Self> {
        let parts = n.div_ceil(chunk.max(1)).max(1);
        let items = rows * parts;
        if n > u32::MAX as usize || items > i32::MAX as usize {
            let got = format!("{rows} rows of {n}");
            return Err(Error::shape(
                operation,
                "x",
                "fewer than 2^32 elements in a row and 2^31 parts in all",
                got,
            ));
        }
        let wide = chunk > NARROW;
        let threads = if wide { chunk.div_ceil(16).next_multiple_of(32) } else { 32 * items };
        Ok(Self { n, chunk, parts, items, wide, threads: threads.clamp(32, THREADS) })
    }

    fn grid(&self) -> Grid {
        let per_group = if self.wide { 1 } else { self.threads / 32 };
        Grid::groups([self.items.div_ceil(per_group), 1, 1])
    }

    /// Begins a launch of a [`definition`] with one item a threadgroup or SIMD group.
    pub(super) fn launch<'a>(&self, program: &'a Program, stream: &'a Stream, x: &'a Tensor) -> Launch<'a> {
        // A copy is made of what is not row-major, and starts aligned.
        let shift = if x.is_contiguous() { x.layout().offset() % 4 } else { 0 };
        program
            .launch(stream)
            .input("x", x)
            .template("T", x.dtype())
            .scalar("n", self.n as u32)
            .scalar("chunk", self.chunk as u32)
            .scalar("parts", self.parts as u32)
            .scalar("items", self.items as u32)
            .scalar("shift", shift as u32)
            .scalar("wide", self.wide)
            .grid(self.grid(), [self.threads, 1, 1])
    }
}

/// A program over the rows of `x` with the functions of `rows.metal` and its own `headers`. The body is launched by
/// [`Split::launch`], with one item of the split for each threadgroup or SIMD group.
pub(super) fn definition(name: &'static str, headers: &[&str], body: &'static str) -> Definition {
    Definition::new(name, body)
        .header(format!("{HEADER}{}", headers.concat()))
        .template("T")
        .input("x")
        .scalar("n", DType::U32)
        .scalar("chunk", DType::U32)
        .scalar("parts", DType::U32)
        .scalar("items", DType::U32)
        .scalar("shift", DType::U32)
        .scalar("wide", DType::Bool)
}

/// The dtype that GPU kernels accumulate in.
pub(super) fn accumulator(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::Bf16 => DType::F32,
        other => other,
    }
}
