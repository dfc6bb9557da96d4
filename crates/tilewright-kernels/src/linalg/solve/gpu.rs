//! The portable paths: in one go where matrix and right-hand sides fit registers; otherwise the elimination, the right-hand sides in its order,
//! and two triangular solves.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use super::super::extents::Extents;
use super::super::lu::{self, GPU_HEADER};
use super::super::tile::Tile;
use super::super::{Solution, TriangularSolve, triangular_solve};
use crate::arguments::only_variant;

/// The most right-hand sides that registers hold beside a matrix whose rows are shared out.
const SIDES: usize = 32;

/// The most beside a row of a thread's own.
const FEW_SIDES: usize = 8;

/// Rows of their own for each thread, in registers.
const ROWS_HEADER: &str = include_str!("gpu.rows.header.metal");

fn whole(definition: Definition) -> Program {
    system(definition.header(GPU_HEADER), &["a", "b"])
}

fn system(definition: Definition, inputs: &[&'static str]) -> Program {
    let definition = inputs.iter().copied().fold(definition.template("S"), Definition::input);
    let definition = ["n", "k", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.scalar("identity", DType::Bool).output("x").output("info"))
        .expect("the definition is valid")
}

static SMALL: LazyLock<Program> =
    LazyLock::new(|| whole(Definition::new("solve_small", include_str!("gpu.metal")).template("N")));
static TILE: LazyLock<Program> = LazyLock::new(|| {
    whole(Definition::new("solve_tile", include_str!("gpu.tile.metal")).template("Q").template("W"))
});
static INVERSE: LazyLock<Program> = LazyLock::new(|| {
    whole(Definition::new("inverse_tile", include_str!("gpu.inverse.metal")).template("Q").template("W"))
});

static ROWS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("solve_rows", include_str!("gpu.rows.metal")).header(ROWS_HEADER);
    let definition = ["W", "M", "C"].into_iter().fold(definition, Definition::template);
    system(definition.threadgroup_memory("memory", DType::U8), &["a", "b"])
});
static INVERSE_ROWS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("inverse_rows", include_str!("gpu.inverse.rows.metal"));
    let definition = definition.header(ROWS_HEADER).template("W");
    system(definition.threadgroup_memory("memory", DType::U8), &["a"])
});

static PERMUTE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("solve_permute", include_str!("gpu.permute.metal"))
        .input("b")
        .input("permutation")
        .scalar("n", DType::U32)
        .scalar("k", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

/// The solutions. There are right-hand sides, `[.., n, k]`, and they have elements.
pub(super) fn solve(stream: &Stream, a: &Tensor, b: &Tensor, extents: &Extents) -> Result<Solution> {
    if let Some(solution) = in_registers(stream, a, Some(b), extents)? {
        return Ok(solution);
    }
    let k = b.dims()[b.rank() - 1];
    let factors = lu::by(stream, Some(only_variant(stream.device())), a)?;
    let ordered = PERMUTE
        .launch(stream)
        .input("b", b)
        .input("permutation", &factors.permutation)
        .scalar("n", extents.n as u32)
        .scalar("k", k as u32)
        .output("out", b.dtype(), b.shape())
        .grid(Grid::threads([b.elements(), 1, 1]), [256, 1, 1])
        .run_one()?;
    let lower = TriangularSolve { unit_diagonal: true, ..TriangularSolve::default() };
    let upper = TriangularSolve { upper: true, ..TriangularSolve::default() };
    let halfway = triangular_solve(stream, &factors.lu, &ordered, &lower)?;
    // The info of the second solve is that of the elimination: the first zero of u's diagonal.
    triangular_solve(stream, &factors.lu, &halfway.x, &upper)
}

/// The solutions, or without right-hand sides the inverses, of systems that fit registers.
pub(super) fn in_registers(
    stream: &Stream,
    a: &Tensor,
    b: Option<&Tensor>,
    extents: &Extents,
) -> Result<Option<Solution>> {
    let (n, items) = (extents.n, extents.batches());
    let k = b.map_or(n, |b| b.dims()[b.rank() - 1]);
    // Where the right-hand sides are the identity, the matrix stands in for it and is not read as such.
    let sides = b.unwrap_or(a);
    let launch = if let Some(launch) = by_rows(stream, a, b, n, items)? {
        launch
    } else if n <= 32 {
        let launch = SMALL.launch(stream).template("N", n.next_power_of_two().max(8)).input("b", sides);
        // Four systems a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else if let Some(tile) = Tile::of(a.dtype(), n).filter(|_| b.is_none() || k <= SIDES) {
        let program = if b.is_none() { &INVERSE } else { &TILE };
        tile.set(program.launch(stream))
            .input("b", sides)
            .grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        return Ok(None);
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("k", k as u32)
        .scalar("items", items as u32)
        .scalar("identity", b.is_none())
        .output("x", a.dtype(), extents.shape(&[n, k]))
        .output("info", DType::I32, &extents.batch[..])
        .run()?;
    let [x, info] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Some(Solution { x, info }))
}

/// A launch of the bodies that give each thread a row, where they are the faster ones and there is the memory.
fn by_rows<'a>(
    stream: &'a Stream,
    a: &Tensor,
    b: Option<&'a Tensor>,
    n: usize,
    items: usize,
) -> Result<Option<Launch<'a>>> {
    let (simds, size) = (n.div_ceil(32), a.dtype().size());
    let rows = 32 * simds;
    // A row is half of a thread's registers at most; rows of up to 16 are shared out as well.
    if n <= 16 || rows * size > 512 {
        return Ok(None);
    }
    let (launch, matrices, elements) = match b {
        Some(b) => {
            let k = b.dims()[b.rank() - 1];
            let (sides, matrices) = (if k == 1 { 1 } else { FEW_SIDES }, if simds == 1 { 4 } else { 1 });
            if k > sides {
                return Ok(None);
            }
            let launch = ROWS.launch(stream).template("M", matrices).template("C", sides).input("b", b);
            (launch, matrices, rows * (rows + 1) + (rows * sides + 2 * sides).next_multiple_of(4))
        }
        None if simds == 1 => return Ok(None),
        None => (INVERSE_ROWS.launch(stream), 1, rows * (rows + 1) + 2 * rows),
    };
    let bytes = matrices * elements * size;
    // Beside it the bodies have some of their own.
    if bytes + 2048 > caps(stream.device())?.threadgroup_memory {
        return Ok(None);
    }
    let grid = Grid::groups([items.div_ceil(matrices), 1, 1]);
    Ok(Some(launch.template("W", simds).threadgroup_bytes(bytes).grid(grid, [rows * matrices, 1, 1])))
}
