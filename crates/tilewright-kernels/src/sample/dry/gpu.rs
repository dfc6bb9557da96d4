//! GPU path: one threadgroup a row.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;

const THREADS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("dry", include_str!("gpu.metal"))
        .header(include_str!("../race.header.metal"))
        .input("history")
        .input("settings")
        .input("breakers")
        .scalar("n", DType::U32)
        .scalar("entries", DType::U32)
        .scalar("sequences", DType::U32)
        .scalar("width", DType::U32)
        .scalar("slots", DType::U32)
        .in_place("logits")
        .output("table")
        .atomic_outputs();
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn dry(
    stream: &Stream,
    logits: &mut Tensor,
    history: &Tensor,
    settings: &Tensor,
    breakers: &Tensor,
) -> Result<()> {
    let (rows, n) = (logits.dims()[0], logits.dims()[1]);
    let (entries, sequences, width) = (history.dims()[1], breakers.dims()[0], breakers.dims()[1]);
    if rows * n * entries == 0 {
        return Ok(());
    }
    if rows > i32::MAX as usize || sequences > i32::MAX as usize || width > i32::MAX as usize {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 rows or breakers"));
    }
    // Half full at most, so that a place is soon found.
    let slots = 2 * entries.next_power_of_two();
    PROGRAM
        .launch(stream)
        .input("history", history)
        .input("settings", settings)
        .input("breakers", breakers)
        .scalar("n", n as u32)
        .scalar("entries", entries as u32)
        .scalar("sequences", sequences as u32)
        .scalar("width", width as u32)
        .scalar("slots", slots as u32)
        .in_place("logits", logits)
        .output("table", DType::U32, [rows, 2, slots])
        .grid(Grid::groups([rows, 1, 1]), [entries.next_multiple_of(32).min(THREADS), 1, 1])
        .run()?;
    Ok(())
}
