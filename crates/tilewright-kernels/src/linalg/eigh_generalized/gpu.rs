//! On a GPU: what failed.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eigh_generalized_info", include_str!("gpu.metal"));
    let definition = definition.input("factor").input("values").scalar("n", DType::I32);
    Program::new(definition.output("info")).expect("the definition is valid")
});

/// The second number, or the first and n where that is not 0.
pub(super) fn merged(stream: &Stream, factor: &Tensor, values: &Tensor, n: usize) -> Result<Tensor> {
    PROGRAM
        .launch(stream)
        .input("factor", factor)
        .input("values", values)
        .scalar("n", n as i32)
        .output("info", DType::I32, factor.shape())
        .grid(Grid::threads([factor.elements(), 1, 1]), [256, 1, 1])
        .run_one()
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        compiles(&PROGRAM, &[], &[I32; 3]);
    }
}
