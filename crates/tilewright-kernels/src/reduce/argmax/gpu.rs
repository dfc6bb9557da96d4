//! GPU path: the best of every part of every row; where a row has several parts, a second launch picks among them.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::reduce::geometry::{HEADER, REGISTERS, Split, THREADS, definition};
use crate::reduce::rows::Rows;

/// The reducer that `max` uses too.
pub(in crate::reduce) const BEST: &str =
    concat!(include_str!("../order.metal"), include_str!("../best.metal"));

static PARTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[BEST], include_str!("gpu.metal")).most_registers(REGISTERS).early();
    Program::new(definition.output("value").output("out")).expect("the definition is valid")
});

static COMBINE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("argmax_combine", include_str!("gpu.combine.metal"))
        .header([HEADER, BEST].concat())
        .early()
        .template("T")
        .input("values")
        .input("positions")
        .scalar("parts", DType::U32)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn argmax(stream: &Stream, rows: &Rows, index: DType) -> Result<Tensor> {
    let split = Split::in_tiles(NAME, rows.rows, rows.n)?;
    let whole = split.parts == 1;
    let best = split
        .launch(&PARTS, stream, &rows.x)
        .output("value", rows.x.dtype(), [rows.rows, split.parts])
        .output("out", if whole { index } else { DType::U32 }, [rows.rows, split.parts])
        .run()?;
    if whole {
        return best[1].reshape(rows.reduced());
    }
    COMBINE
        .launch(stream)
        .template("T", rows.x.dtype())
        .input("values", &best[0])
        .input("positions", &best[1])
        .scalar("parts", split.parts as u32)
        .output("out", index, rows.reduced())
        .grid(Grid::groups([rows.rows, 1, 1]), [split.parts.next_multiple_of(32).min(THREADS), 1, 1])
        .run_one()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No emulator shows what CUDA's entry of an early launch is.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn early_entries_compile() {
        use crate::nvrtc::compiles_for;
        use DType::{Bf16, F32, F64, I64, U32};
        for (chip, dtype) in [("sm_90a", F32), ("sm_90a", F64), ("sm_80", Bf16)] {
            compiles_for(chip, &PARTS, &[dtype.into()], &[dtype, dtype, U32]);
            compiles_for(chip, &COMBINE, &[dtype.into()], &[dtype, U32, I64]);
        }
    }
}
