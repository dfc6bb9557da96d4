//! The portable paths: in one go where matrix and right-hand sides fit registers; otherwise the elimination, the right-hand sides in its order,
//! and two triangular solves.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::lu::{GPU_HEADER, lu};
use super::super::tile::Tile;
use super::super::{Solution, TriangularSolve, triangular_solve};

/// The most right-hand sides that registers hold beside a matrix.
const SIDES: usize = 32;

fn whole(definition: Definition) -> Program {
    let definition = definition.header(GPU_HEADER).template("S").input("a").input("b");
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
    let factors = lu(stream, a)?;
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
    let launch = if n <= 32 {
        let launch = SMALL.launch(stream).template("N", n.next_power_of_two().max(8));
        // Four systems a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else if let Some(tile) = Tile::of(a.dtype(), n).filter(|_| b.is_none() || k <= SIDES) {
        let program = if b.is_none() { &INVERSE } else { &TILE };
        tile.set(program.launch(stream)).grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        return Ok(None);
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        // Where the right-hand sides are the identity, the matrix stands in for it and is not read as such.
        .input("b", b.unwrap_or(a))
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
