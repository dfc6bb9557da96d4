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
static COLUMNS: LazyLock<Program> =
    LazyLock::new(|| program(Definition::new("qr_pivoted_columns", include_str!("gpu.columns.metal"))));

/// Threads of a group that has a matrix to itself.
const GROUP: usize = 256;

/// Reflections and permutations. `a` has elements.
pub(super) fn pivoted(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<Pivoted> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let largest = m.max(n);
    let is_small = largest <= 32;
    let launch = if is_small {
        let launch = SMALL.launch(stream).template("N", largest.next_power_of_two().max(8));
        // Four matrices a group, so that a multiprocessor's group slots do not bound it.
        launch.grid(Grid::threads([items * 32, 1, 1]), [128, 1, 1])
    } else {
        COLUMNS.launch(stream).grid(Grid::groups([items, 1, 1]), [GROUP, 1, 1])
    };
    let lengths = if is_small { vec![0] } else { extents.shape(&[2, n]) };
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
            compiles(&COLUMNS, &[real.into()], &dtypes);
        }
    }
}
