//! The portable bodies: a SIMD group a matrix up to n = 32, or 64 in f32, a group of threads a matrix beyond, in registers as long as it fits there.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::tile::Tile;

fn program(definition: Definition) -> Program {
    let definition = definition
        .header(concat!(include_str!("../roots.header.metal"), include_str!("gpu.header.metal")))
        .template("S")
        .input("a")
        .scalar("n", DType::U32)
        .scalar("items", DType::U32)
        .scalar("upper", DType::Bool)
        .output("factor")
        .output("info");
    Program::new(definition).expect("the definition is valid")
}

static SMALL: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("cholesky_small", include_str!("gpu.metal")).template("N")));
static PAIR: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("cholesky_pair", include_str!("gpu.pair.metal"))));
static TILE: LazyLock<Program> = LazyLock::new(|| {
    program(Definition::new("cholesky_tile", include_str!("gpu.tile.metal")).template("Q").template("W"))
});
static BLOCKED: LazyLock<Program> = LazyLock::new(|| {
    program(Definition::new("cholesky_blocked", include_str!("gpu.blocked.metal")).template("N"))
});

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
    let launch = if n <= 32 {
        let launch = SMALL.launch(stream).template("N", n.next_power_of_two().max(8));
        launch.grid(Grid::threads([items * 32, 1, 1]), [SMALL_GROUP, 1, 1])
    } else if n <= 64 && a.dtype() == DType::F32 {
        // A matrix of f64 would take more registers than a thread has.
        PAIR.launch(stream).grid(Grid::groups([items, 1, 1]), [32, 1, 1])
    } else if let Some(tile) = Tile::with_f64(a.dtype(), n) {
        tile.set(TILE.launch(stream)).grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        BLOCKED.launch(stream).template("N", 32usize).grid(Grid::groups([items, 1, 1]), [256, 1, 1])
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("upper", upper)
        .output("factor", a.dtype(), a.shape())
        .output("info", DType::I32, &extents.batch[..])
        .run()?;
    let [factor, info] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((factor, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No emulator shows what f64 makes of a body.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn a_group_holds_128_rows_of_f64() {
        use DType::{F64, I32};
        for n in [96, 128] {
            let Tile { blocks, simds } = Tile::with_f64(F64, n).unwrap();
            let templates = [blocks.into(), simds.into(), F64.into()];
            crate::nvrtc::compiles(&TILE, &templates, &[F64, F64, I32]);
        }
        assert!(Tile::with_f64(F64, 129).is_none());
    }
}
