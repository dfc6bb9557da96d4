//! The portable bodies: a SIMD group a matrix up to 32 rows and columns, a group of threads a matrix beyond, in registers as
//! long as it fits there.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::panel;
use super::super::qr_pivoted::in_order;
use super::super::tile::Tile;
use super::Reflectors;

/// Blocks of reflections, applied by a group of threads.
pub(in super::super) const HEADER: &str = include_str!("gpu.header.metal");

/// Reflections of matrices in registers.
pub(in super::super) const COLUMNS: &str = concat!(
    include_str!("../roots.header.metal"),
    include_str!("gpu.header.metal"),
    include_str!("gpu.columns.metal")
);

fn program(definition: Definition) -> Program {
    let definition = definition.template("S").input("a");
    let definition = ["m", "n", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("reflectors").output("tau")).expect("the definition is valid")
}

static SMALL: LazyLock<Program> = LazyLock::new(|| {
    program(Definition::new("qr_small", include_str!("gpu.metal")).header(COLUMNS).template("N"))
});
static TILE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_tile", include_str!("gpu.tile.metal"));
    program(definition.header(COLUMNS).template("Q").template("W"))
});
static BLOCKED: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_blocked", include_str!("gpu.blocked.metal"));
    program(definition.header(HEADER).template("NB").template("R"))
});

/// The reflections. `a` has elements.
pub(super) fn qr_reflectors(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Reflectors> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let largest = m.max(n);
    let launch = if largest <= 32 {
        let launch = SMALL.launch(stream).template("N", largest.next_power_of_two().max(8));
        // Four matrices a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else if let Some(tile) = Tile::of(a.dtype(), largest) {
        tile.set(TILE.launch(stream)).grid(Grid::groups([items, 1, 1]), [tile.threads(), 1, 1])
    } else {
        let Some((columns, rows)) = panel::of_rows(m) else {
            // Columns stay in memory.
            return in_order(stream, a, extents);
        };
        // Threadgroup memory for blocks of f64 is there for half as many columns.
        let columns = if a.dtype() == DType::F64 { columns.min(8) } else { columns };
        let launch = BLOCKED.launch(stream).template("NB", columns).template("R", rows);
        launch.grid(Grid::groups([items, 1, 1]), [panel::GROUP, 1, 1])
    };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .output("reflectors", a.dtype(), a.shape())
        .output("tau", a.dtype(), extents.shape(&[m.min(n)]))
        .run()?;
    let [reflectors, tau] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Reflectors { reflectors, tau })
}
