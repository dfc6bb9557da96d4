//! The portable body: columns to their places.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Parts;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("complete_basis", include_str!("gpu.metal")).template("S");
    let definition = ["given", "q", "r", "permutation"].into_iter().fold(definition, Definition::input);
    let definition = definition.scalar("m", DType::U32).scalar("k", DType::U32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// The given columns that are not zeros, and those of q for the others.
pub(super) fn placed(stream: &Stream, parts: &Parts<'_>) -> Result<Tensor> {
    PROGRAM
        .launch(stream)
        .template("S", parts.q.dtype())
        .input("given", parts.given)
        .input("q", parts.q)
        .input("r", parts.r)
        .input("permutation", parts.permutation)
        .scalar("m", parts.m as u32)
        .scalar("k", parts.k as u32)
        .output("out", parts.q.dtype(), parts.q.shape())
        .grid(Grid::threads([parts.q.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64] {
            compiles(&PROGRAM, &[real.into()], &[real, real, real, I32, real]);
        }
    }
}
