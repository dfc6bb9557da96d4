//! The portable bodies: both factors at once of matrices that fit registers; of others r out of the reflections' matrix, and the signs.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::qr_reflectors::GPU_COLUMNS;
use super::super::tile::Tile;

fn whole(definition: Definition) -> Program {
    let definition = definition.template("S").input("a");
    let definition = ["m", "n", "rows", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.scalar("nonnegative", DType::Bool).output("q").output("r"))
        .expect("the definition is valid")
}

static COLUMNS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_whole_columns", include_str!("gpu.columns.metal"));
    let header = concat!(include_str!("../roots.header.metal"), include_str!("gpu.columns.header.metal"));
    whole(definition.header(header).template("N").template("M"))
});
static TILE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_whole_tile", include_str!("gpu.tile.metal")).header(GPU_COLUMNS);
    whole(definition.template("Q").template("W"))
});

/// The largest side of a matrix whose columns, and rows of q, lie in registers of a thread each.
fn longest(dtype: DType) -> usize {
    if dtype == DType::F64 { 32 } else { 64 }
}

/// q and r, which has so many rows, or `None` if the matrices do not fit registers. `a` has elements.
pub(super) fn qr(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    rows: usize,
    nonnegative: bool,
) -> Result<Option<(Tensor, Tensor)>> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let largest = m.max(n);
    let launch = if largest <= longest(a.dtype()) {
        let size = largest.next_power_of_two().max(8);
        // Four matrices a group where each is a SIMD group's, so that a multiprocessor's group slots do not bound it.
        let (matrices, threads) = if size <= 32 { (4, 128) } else { (1, size) };
        let launch = COLUMNS.launch(stream).template("N", size).template("M", matrices);
        launch.grid(Grid::groups([items.div_ceil(matrices), 1, 1]), [threads, 1, 1])
    } else if let Some(tile) = Tile::of(a.dtype(), largest) {
        tile.set(TILE.launch(stream)).grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        return Ok(None);
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("rows", rows as u32)
        .scalar("items", items as u32)
        .scalar("nonnegative", nonnegative)
        .output("q", a.dtype(), extents.shape(&[m, rows]))
        .output("r", a.dtype(), extents.shape(&[rows, n]))
        .run()?;
    let [q, r] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Some((q, r)))
}

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_finish", include_str!("gpu.metal")).template("S").template("Q");
    let definition =
        ["m", "n", "rows"].into_iter().fold(definition.input("packed").input("from"), |definition, name| {
            definition.scalar(name, DType::U32)
        });
    Program::new(definition.scalar("nonnegative", DType::Bool).output("out"))
        .expect("the definition is valid")
});

/// r, of this shape, from above the diagonal; with `nonnegative` its rows and q's columns change their signs where its diagonal is negative.
pub(super) fn finish(
    stream: &Stream,
    reflectors: &Tensor,
    q: Option<Tensor>,
    extents: &Extents,
    shape: &[usize],
    nonnegative: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let launch = |from: &Tensor, is_q: bool, shape: &[usize]| {
        let elements = shape.iter().product::<usize>();
        if elements == 0 {
            return Tensor::empty(stream, reflectors.dtype(), shape);
        }
        FINISH
            .launch(stream)
            .template("S", reflectors.dtype())
            .template("Q", is_q)
            .input("packed", reflectors)
            .input("from", from)
            .scalar("m", extents.m as u32)
            .scalar("n", extents.n as u32)
            .scalar("rows", shape[shape.len() - 2] as u32)
            .scalar("nonnegative", nonnegative)
            .output("out", reflectors.dtype(), shape)
            .grid(Grid::threads([elements, 1, 1]), [256, 1, 1])
            .run_one()
    };
    let r = launch(reflectors, false, shape)?;
    let q = match q {
        Some(q) if nonnegative && extents.n > 0 => Some(launch(&q, true, q.dims())?),
        q => q,
    };
    Ok((q, r))
}
