//! On a GPU: small matrices by sweeps along their tridiagonal form; of others a shift that makes the matrix positive definite, its Cholesky factor,
//! and turns of that one's columns.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::chase;
use super::super::extents::Extents;
use super::super::jacobi::{Ask, spectrum};
use super::super::{Cholesky, cholesky};
use super::{Eigen, Eigh};
use crate::gemm::{Matmul, matmul};

static SCALE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eigh_scale", include_str!("gpu.metal")).template("S").input("a");
    let definition = definition.scalar("n", DType::U32).scalar("upper", DType::Bool);
    Program::new(definition.output("scaled").output("scale")).expect("the definition is valid")
});

static SHIFT: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eigh_shift", include_str!("gpu.shift.metal")).template("S");
    let definition = definition.input("scaled").input("square").scalar("n", DType::U32);
    Program::new(definition.output("shifted").output("shift")).expect("the definition is valid")
});

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eigh(stream: &Stream, a: &Tensor, extents: &Extents, args: &Eigh) -> Result<Eigen> {
    if let Some(found) = chase::symmetric(stream, a, extents, args)? {
        return Ok(found);
    }
    let batch = &extents.batch[..];
    let grid = || Grid::groups([extents.batches(), 1, 1]);
    let pair = |outputs: Vec<Tensor>| <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    let [scaled, scale] = pair(
        SCALE
            .launch(stream)
            .template("S", a.dtype())
            .input("a", a)
            .scalar("n", extents.n as u32)
            .scalar("upper", args.upper)
            .output("scaled", a.dtype(), a.shape())
            .output("scale", a.dtype(), batch)
            .grid(grid(), [256, 1, 1])
            .run()?,
    );
    let square = matmul(stream, &scaled, &scaled, None, &Matmul::default())?;
    let [shifted, shift] = pair(
        SHIFT
            .launch(stream)
            .template("S", a.dtype())
            .input("scaled", &scaled)
            .input("square", &square)
            .scalar("n", extents.n as u32)
            .output("shifted", a.dtype(), a.shape())
            .output("shift", a.dtype(), batch)
            .grid(grid(), [256, 1, 1])
            .run()?,
    );
    // A matrix with a NaN has a factor of NaN, and no result.
    let triangle = cholesky(stream, &shifted, &Cholesky { upper: true })?.factor;
    let ask = Ask::Symmetric { scale: &scale, shift: &shift, ascending: !args.descending };
    let found = spectrum(stream, &triangle, extents, ask, !args.values_only)?;
    let vectors = (!args.values_only).then_some(found.right);
    Ok(Eigen { values: found.values, vectors, info: found.info })
}
