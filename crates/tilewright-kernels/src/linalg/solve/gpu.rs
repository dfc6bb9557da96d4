//! The portable path: the elimination, the right-hand sides in its order, and two triangular solves.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::lu::lu;
use super::super::{Solution, TriangularSolve, triangular_solve};

static PERMUTE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("solve_permute", include_str!("gpu.metal"))
        .input("b")
        .input("permutation")
        .scalar("n", DType::U32)
        .scalar("k", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

/// The solutions. There are right-hand sides, `[.., n, k]`, and they have elements.
pub(super) fn solve(stream: &Stream, a: &Tensor, b: &Tensor, extents: &Extents) -> Result<Solution> {
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
