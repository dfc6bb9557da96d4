//! The portable bodies: a SIMD group a matrix up to n = 32, a group of threads a matrix beyond.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;

fn program(name: &'static str, body: &'static str) -> Program {
    let definition = Definition::new(name, body)
        .header(include_str!("gpu.header.metal"))
        .template("N")
        .input("a")
        .scalar("n", DType::U32)
        .scalar("items", DType::U32)
        .scalar("upper", DType::Bool)
        .output("factor")
        .output("info");
    Program::new(definition.template("S")).expect("the definition is valid")
}

static SMALL: LazyLock<Program> = LazyLock::new(|| program("cholesky_small", include_str!("gpu.metal")));
static BLOCKED: LazyLock<Program> =
    LazyLock::new(|| program("cholesky_blocked", include_str!("gpu.blocked.metal")));

/// Threads of a group of the small body: four matrices, so that a multiprocessor's group slots do not bound it.
const SMALL_GROUP: usize = 128;

/// The factors and their infos. `a` has elements.
pub(super) fn cholesky(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    upper: bool,
) -> Result<(Tensor, Tensor)> {
    let (n, items) = (extents.n, extents.batches());
    // Registers for 8, 16 or 32 rows; the blocked body's blocks have 32.
    let rows = n.next_power_of_two().clamp(8, 32);
    let (program, grid, group) = if n <= 32 {
        (&SMALL, Grid::threads([items * 32, 1, 1]), SMALL_GROUP)
    } else {
        (&BLOCKED, Grid::groups([items, 1, 1]), 256)
    };
    let outputs = program
        .launch(stream)
        .template("N", rows)
        .template("S", a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("upper", upper)
        .output("factor", a.dtype(), a.shape())
        .output("info", DType::I32, &extents.batch[..])
        .grid(grid, [group, 1, 1])
        .run()?;
    let [factor, info] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((factor, info))
}
