//! The portable bodies: a SIMD group a matrix up to 32 rows and columns, a group of threads a matrix beyond.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::qr_reflectors::{GPU_HEADER, Reflectors};
use super::Pivoted;

fn program(definition: Definition) -> Program {
    static HEADER: LazyLock<String> =
        LazyLock::new(|| [GPU_HEADER, include_str!("gpu.header.metal")].concat());
    let definition = definition.header(HEADER.as_str()).template("S").input("a");
    let definition = ["m", "n", "items"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let outputs = ["reflectors", "tau", "permutation", "lengths"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
}

static SMALL: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("qr_pivoted_small", include_str!("gpu.metal")).template("N")));
static COLUMNS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_pivoted_columns", include_str!("gpu.columns.metal"));
    program(definition.template("PIVOTED").template("HELD"))
});

/// Threads of a group that has a matrix to itself.
const GROUP: usize = 256;

/// The rows of a vector that a group's memory holds; longer ones are read where they lie.
const HELD: usize = 4096;

/// Reflections and permutations. `a` has elements.
pub(super) fn pivoted(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Pivoted> {
    decomposed(stream, a, extents, true)
}

/// Reflections of columns that stay in their order, of any number of rows. `a` has elements.
pub(in super::super) fn in_order(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Reflectors> {
    Ok(decomposed(stream, a, extents, false)?.packed)
}

fn decomposed(stream: &Stream, a: &Tensor, extents: &Extents, pivoted: bool) -> Result<Pivoted> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let largest = m.max(n);
    let is_small = largest <= 32 && pivoted;
    let launch = if is_small {
        let launch = SMALL.launch(stream).template("N", largest.next_power_of_two().max(8));
        // Four matrices a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else {
        let launch = COLUMNS.launch(stream).template("PIVOTED", pivoted).template("HELD", m <= HELD);
        launch.grid(Grid::groups([items, 1, 1]), [GROUP, 1, 1])
    };
    let lengths = if is_small || !pivoted { vec![0] } else { extents.shape(&[2, n]) };
    let outputs = launch
        .template("S", a.dtype())
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .output("reflectors", a.dtype(), a.shape())
        .output("tau", a.dtype(), extents.shape(&[m.min(n)]))
        .output("permutation", DType::I32, extents.shape(&[n]))
        .output("lengths", a.dtype(), lengths)
        .run()?;
    let [reflectors, tau, permutation, _] =
        <[Tensor; 4]>::try_from(outputs).expect("four outputs are declared");
    Ok(Pivoted { packed: Reflectors { reflectors, tau }, permutation })
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::*;
        for real in [F32, F64] {
            let dtypes = [real, real, real, I32, real];
            for size in [8usize, 16, 32] {
                compiles(&SMALL, &[size.into(), real.into()], &dtypes);
            }
            for [pivoted, held] in [[true, true], [true, false], [false, false]] {
                compiles(&COLUMNS, &[pivoted.into(), held.into(), real.into()], &dtypes);
            }
        }
    }
}
