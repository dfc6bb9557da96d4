//! On NVIDIA GPUs: panels of 32 columns, each by one group of threads for every matrix, whose rows lie in registers; what is to their right loses their
//! products by the library, or where these are small by a body whose launch takes its place early. Made for batches and for a single matrix alike.
//!
//! Toledo, "Locality of reference in LU decomposition with partial pivoting" (1997); Haidar, Abdelfattah, Zounon, Tomov, Dongarra, "A guide for achieving high
//! performance with very small matrices on GPU" (2018), for rows that stay where they are.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cublas::{self, Part, Update};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::super::extents::Extents;
use super::super::gram;
use super::LuFactors;

/// The variant's name.
pub(in super::super) const VARIANT: &str = "panels";

/// Columns of a panel.
const WIDTH: usize = 32;

/// The most threads of a group that has one, and rows that each of them can hold.
const THREADS: usize = 512;
const ROWS: usize = 2;

/// Tiles of 64 x 64 up to which a product takes less time than the library's launch.
const FEW_TILES: usize = 512;

/// Whether such matrices are taken: of f32, beyond what lies in registers.
pub(super) fn takes(device: Device, dtype: DType, extents: &Extents) -> bool {
    dtype != DType::F64
        && extents.m.min(extents.n) > gram::SMALL
        && extents.m <= THREADS * ROWS
        && cublas::available(device).is_ok()
        // Warps find a largest number in one instruction from there on.
        && caps(device).is_ok_and(|caps| caps.is_cuda_of(80))
}

fn program(name: &'static str, body: &'static str) -> Definition {
    let definition = Definition::new(name, body).cuda_only().early();
    ["m", "n", "k"].into_iter().fold(definition, |all, name| all.scalar(name, DType::U32))
}

static PANEL: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("lu_panel", include_str!("panels.factor.cuda.cu")).template("R");
    let definition = definition.header(include_str!("panels.factor.cuda.header.cu"));
    let definition = definition.in_place("lu").in_place("permutation").in_place("info");
    // The most threads of a group have all registers of a multiprocessor.
    let definition = definition.threadgroup_memory("memory", DType::U8).most_registers(128);
    Program::new(definition.output("moves")).expect("the definition is valid")
});

static BESIDE: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("lu_panel_rows", include_str!("panels.rows.cuda.cu")).input("moves");
    Program::new(definition.in_place("lu")).expect("the definition is valid")
});

static PRODUCT: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("lu_panel_product", include_str!("panels.product.cuda.cu"));
    Program::new(definition.in_place("lu")).expect("the definition is valid")
});

/// The factors. `a`, of f32, is taken.
pub(super) fn lu(stream: &Stream, a: &Tensor, extents: &Extents) -> Result<LuFactors> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let index = gram::index(stream, &(0..items as u32).collect::<Vec<_>>())?;
    let mut lu = gram::take(stream, a, &index, DType::F32, n)?;
    let mut permutation = Tensor::empty(stream, DType::I32, extents.shape(&[m]))?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    let part = |row: usize, column: usize| Part {
        first: row * n + column,
        pitch: n,
        step: m * n,
        transposed: false,
    };
    let at = |program: &'static Program, k: usize| {
        program.launch(stream).scalar("m", m as u32).scalar("n", n as u32).scalar("k", k as u32)
    };
    for k in (0..m.min(n)).step_by(WIDTH) {
        let threads = (m - k).next_multiple_of(32).min(THREADS);
        let moves = at(&PANEL, k)
            .template("R", (m - k).div_ceil(threads))
            .in_place("lu", &mut lu)
            .in_place("permutation", &mut permutation)
            .in_place("info", &mut info)
            .output("moves", DType::I32, [items, 2 * WIDTH])
            // A square of its own for each warp, in which it turns its rows, four elements at once.
            .threadgroup_bytes(threads * (WIDTH + 4) * 4)
            .grid(Grid::groups([items, 1, 1]), [threads, 1, 1])
            .run_one()?;
        let width = WIDTH.min(n - k);
        if n > width {
            at(&BESIDE, k)
                .input("moves", &moves)
                .in_place("lu", &mut lu)
                .grid(Grid::groups([(n - width).div_ceil(64), items, 1]), [64, 1, 1])
                .run()?;
        }
        let (below, right) = (m.saturating_sub(k + WIDTH), n - k - width);
        if below == 0 || right == 0 {
            continue;
        }
        let (down, over) = (below.div_ceil(64), right.div_ceil(64));
        if items * down * over <= FEW_TILES {
            at(&PRODUCT, k)
                .in_place("lu", &mut lu)
                .grid(Grid::groups([over, down, items]), [256, 1, 1])
                .run()?;
        } else {
            let next = k + WIDTH;
            let trailing = Update {
                items,
                sides: [below, right, WIDTH],
                left: (None, part(next, k)),
                right: (None, part(k, next)),
                out: part(next, next),
                alpha: -1.0,
                beta: 1.0,
            };
            cublas::update(stream, &mut lu, &trailing)?;
        }
    }
    Ok(LuFactors { lu: lu.reshape(a.shape())?, permutation, info })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No emulator runs these.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        for rows in 1..=ROWS {
            compiles(&PANEL, &[rows.into()], &[DType::F32, DType::I32, DType::I32, DType::I32]);
        }
        compiles(&BESIDE, &[], &[DType::I32, DType::F32]);
        compiles(&PRODUCT, &[], &[DType::F32]);
    }
}
