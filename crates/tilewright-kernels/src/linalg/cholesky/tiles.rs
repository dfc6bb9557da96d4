//! On NVIDIA GPUs: one matrix in one launch. A group of threads takes a tile of 32 x 32 and waits for those that it loses products of; one group has the
//! whole diagonal, the only chain there is, and others hand it what it needs next. The waiting is for data themselves, which lie absent until they are there.
//!
//! Tiles are taken in an order in which each needs the diagonal and earlier ones alone: two groups at once are enough for progress.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::super::extents::Extents;
use super::super::{gram, vendor};

/// The variant's name.
pub(in super::super) const VARIANT: &str = "tiles";

/// Rows and columns of a tile, and threads of a group.
const SIDE: usize = 32;
const THREADS: usize = 128;

/// Bytes of two stages of three tiles, and of two tiles with room between their columns.
const ROOM: usize = (2 * 3 * SIDE * SIDE + 2 * SIDE * (SIDE + 4)) * 4;

/// Up to so many rows a multiprocessor has one group: there is no more work than the diagonal leaves time for, and nothing beside its group slows it.
const ALONE: usize = 1024;

/// The largest matrix: up to there this is faster than the library's factor, whose products are of larger tiles.
const LARGEST: usize = 4096;

/// Whether such matrices are taken: of f32, beyond what lies in registers.
pub(super) fn takes(device: Device, dtype: DType, batches: usize, n: usize) -> bool {
    dtype != DType::F64
        && batches == 1
        && (gram::SMALL + 1..=LARGEST).contains(&n)
        // Groups of threads see what others write, in order, from there on.
        && caps(device).is_ok_and(|caps| caps.is_cuda_of(70))
}

static TILES: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("cholesky_tiles", include_str!("tiles.cuda.cu")).cuda_only();
    let definition = definition.header(include_str!("tiles.cuda.header.cu")).input("a");
    let definition = definition.scalar("n", DType::U32).scalar("upper", DType::Bool);
    // Four groups share the registers of a multiprocessor.
    let definition = definition.threadgroup_memory("memory", DType::U8).most_registers(128);
    let definition = definition.in_place("factor").in_place("info");
    Program::new(definition.output("tiles").output("ticket")).expect("the definition is valid")
});

/// The factor and its info. `a`, of f32, is taken.
pub(super) fn cholesky(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    upper: bool,
) -> Result<(Tensor, Tensor)> {
    let n = extents.n;
    let count = n.div_ceil(SIDE);
    // The diagonal, what lies on and beside it in the second row of tiles, and in each of the others a ticket for each tile before those.
    let tickets = 2 + (count - 2) * (count - 1) / 2;
    // The lower triangle of tiles, and two that each row hands on.
    let tiles = count * (count + 1) / 2 + 2 * count;
    let alone = caps(stream.device())?.threadgroup_memory / 2 + 1024;
    let room = if n <= ALONE { alone.max(ROOM) } else { ROOM };
    let mut factor = Tensor::empty(stream, DType::F32, a.shape())?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    TILES
        .launch(stream)
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("upper", upper)
        .in_place("factor", &mut factor)
        .in_place("info", &mut info)
        .output("tiles", DType::F32, [tiles, SIDE, SIDE])
        .output("ticket", DType::U32, [1])
        // What is absent is NaN, which as a ticket is 0.
        .initial_value(f64::NAN)
        .threadgroup_bytes(room)
        .grid(Grid::groups([tickets, 1, 1]), [THREADS, 1, 1])
        .run()?;
    vendor::spoil(stream, &mut factor, &info)?;
    Ok((factor, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No emulator runs this.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use DType::{F32, I32, U32};
        crate::nvrtc::compiles(&TILES, &[], &[F32, F32, I32, F32, U32]);
    }
}
