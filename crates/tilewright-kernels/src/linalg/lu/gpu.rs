//! The portable bodies: a SIMD group a matrix up to 32 rows and columns, a group of threads a matrix beyond, in registers as long as it
//! fits there.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::panel;
use super::super::tile::Tile;
use super::LuFactors;
use crate::arguments::check_f64;

/// Elimination in registers.
pub(in super::super) const HEADER: &str = include_str!("gpu.header.metal");

fn program(definition: Definition) -> Program {
    let definition = definition.header(HEADER).template("S").input("a");
    let definition = ["m", "n", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.output("lu").output("permutation").output("info");
    Program::new(definition).expect("the definition is valid")
}

static SMALL: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("lu_small", include_str!("gpu.metal")).template("N")));
static TILE: LazyLock<Program> = LazyLock::new(|| {
    program(Definition::new("lu_tile", include_str!("gpu.tile.metal")).template("Q").template("W"))
});
static BLOCKED: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("lu_blocked", include_str!("gpu.blocked.metal"));
    program(definition.template("NB").template("R"))
});

/// Says why a GPU cannot factor matrices of `m` rows.
pub(in super::super) fn check(operation: &'static str, device: Device, dtype: DType, m: usize) -> Result<()> {
    check_f64(operation, device, dtype)?;
    if device != Device::Cpu && m > panel::LONGEST {
        let why = format!("{m} rows; a panel of {} fits the registers of a group", panel::LONGEST);
        return Err(Error::unsupported(operation, device, why));
    }
    Ok(())
}

/// The factors. `a` has elements.
pub(super) fn lu(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<LuFactors> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let largest = m.max(n);
    let launch = if largest <= 32 {
        let launch = SMALL.launch(stream).template("N", largest.next_power_of_two().max(8));
        // Four matrices a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else if let Some(tile) = Tile::of(a.dtype(), largest) {
        tile.set(TILE.launch(stream)).grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        let (columns, rows) = panel::of_rows(m).expect("checked before");
        let launch = BLOCKED.launch(stream).template("NB", columns).template("R", rows);
        launch.grid(Grid::groups([items, 1, 1]), [panel::GROUP, 1, 1])
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .output("lu", a.dtype(), a.shape())
        .output("permutation", DType::I32, extents.shape(&[m]))
        .output("info", DType::I32, &extents.batch[..])
        .run()?;
    let [lu, permutation, info] = <[Tensor; 3]>::try_from(outputs).expect("three outputs are declared");
    Ok(LuFactors { lu, permutation, info })
}
