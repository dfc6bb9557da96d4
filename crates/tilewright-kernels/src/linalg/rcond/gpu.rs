//! The portable bodies, in the 1-norm: the matrix to scale and its norm; `lu`; the estimate by a group of threads a matrix.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::lu::lu;

const HEADER: &str = concat!(include_str!("../norm/gpu.header.metal"), include_str!("gpu.header.metal"));

fn program(definition: Definition, inputs: &[&'static str]) -> Definition {
    let definition = definition.header(HEADER).template("SIMDS").template("S");
    inputs.iter().copied().fold(definition, Definition::input).scalar("n", DType::U32)
}

static SCALE: LazyLock<Program> = LazyLock::new(|| {
    let definition = program(Definition::new("rcond_scale", include_str!("gpu.scale.metal")), &["a"]);
    Program::new(definition.output("scaled").output("norm")).expect("the definition is valid")
});

static ESTIMATE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("rcond_estimate", include_str!("gpu.metal"));
    let definition = program(definition, &["lu", "info", "norm"]).threadgroup_memory("memory", DType::U8);
    Program::new(definition.output("rcond")).expect("the definition is valid")
});

/// Of matrices that have elements, 4096 rows at most.
pub(super) fn rcond(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Tensor> {
    let (n, items) = (extents.n, extents.batches());
    let simds = n.div_ceil(32).next_power_of_two().min(8);
    let grid = || Grid::groups([items, 1, 1]);
    let outputs = SCALE
        .launch(stream)
        .template("SIMDS", simds)
        .template("S", a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .output("scaled", a.dtype(), a.shape())
        .output("norm", a.dtype(), &extents.batch[..])
        .grid(grid(), [32 * simds, 1, 1])
        .run()?;
    let [scaled, norm] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    let factors = lu(stream, &scaled)?;
    ESTIMATE
        .launch(stream)
        .template("SIMDS", simds)
        .template("S", a.dtype())
        .input("lu", &factors.lu)
        .input("info", &factors.info)
        .input("norm", &norm)
        .scalar("n", n as u32)
        .output("rcond", a.dtype(), &extents.batch[..])
        .threadgroup_bytes(n * a.dtype().size())
        .grid(grid(), [32 * simds, 1, 1])
        .run_one()
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        for real in [DType::F32, DType::F64] {
            for simds in [1usize, 8] {
                compiles(&SCALE, &[simds.into(), real.into()], &[real; 3]);
                compiles(&ESTIMATE, &[simds.into(), real.into()], &[real, DType::I32, real, real]);
            }
        }
    }
}
