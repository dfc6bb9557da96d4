//! On NVIDIA GPUs: blocks of 64 columns, each by one group of threads for every matrix, and the library's products with its inverse and its rows. Made for
//! batches: a single matrix is there sooner in tiles.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cublas::{self, Part, Update};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::gram;

/// The variant's name.
pub(in super::super) const VARIANT: &str = "blocks";

/// Columns of a block.
const BLOCK: usize = 64;

/// Whether such matrices are taken: of f32, beyond what lies in registers.
pub(super) fn takes(device: Device, dtype: DType, batches: usize, n: usize) -> bool {
    dtype != DType::F64 && n > gram::SMALL && batches > 1 && cublas::available(device).is_ok()
}

static FACTOR: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("cholesky_block", include_str!("blocks.factor.cuda.cu")).cuda_only();
    let definition = definition.header(include_str!("../gram.cuda.header.cu")).input("rest");
    let definition = definition.scalar("n", DType::U32).scalar("k", DType::U32).scalar("upper", DType::Bool);
    let definition = definition.threadgroup_memory("memory", DType::U8).in_place("info");
    Program::new(definition.output("factor").output("x")).expect("the definition is valid")
});

static SPOIL: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("cholesky_spoil", include_str!("blocks.spoil.cuda.cu")).cuda_only();
    let definition = definition.input("info").scalar("n", DType::U32).scalar("elements", DType::U64);
    Program::new(definition.in_place("factor")).expect("the definition is valid")
});

/// The factors and their infos. `a`, of f32, is taken.
pub(super) fn cholesky(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    upper: bool,
) -> Result<(Tensor, Tensor)> {
    let (n, items) = (extents.n, extents.batches());
    let index = gram::index(stream, &(0..items as u32).collect::<Vec<_>>())?;
    let mut rest = gram::take(stream, a, &index, DType::F32, n)?;
    let mut factor = Tensor::empty(stream, DType::F32, a.shape())?;
    let mut x = Tensor::empty(stream, DType::F32, [items, BLOCK, BLOCK])?;
    let mut info = Tensor::empty(stream, DType::I32, &extents.batch[..])?;
    let part = |row: usize, column: usize| Part {
        first: row * n + column,
        pitch: n,
        step: n * n,
        transposed: false,
    };
    let inverse = Part { first: 0, pitch: BLOCK, step: BLOCK * BLOCK, transposed: false };
    for k in (0..n).step_by(BLOCK) {
        let launch = FACTOR
            .launch(stream)
            .input("rest", &rest)
            .scalar("n", n as u32)
            .scalar("k", (k / BLOCK) as u32)
            .scalar("upper", upper)
            .in_place("info", &mut info)
            .output_into("factor", &mut factor)
            .output_into("x", &mut x)
            .threadgroup_bytes((2 * BLOCK * (BLOCK + 1) + BLOCK) * 4)
            .grid(Grid::groups([items, 1, 1]), [256, 1, 1]);
        // What lies beyond the diagonal is zeros.
        if k == 0 {
            launch.initial_value(0.0).run()?
        } else {
            launch.run()?
        };
        let next = k + BLOCK;
        if next >= n {
            break;
        }
        let below = n - next;
        let (sides, left, right, out) = if upper {
            ([BLOCK, below, BLOCK], (Some(&x), inverse), (Some(&rest), part(k, next)), part(k, next))
        } else {
            (
                [below, BLOCK, BLOCK],
                (Some(&rest), part(next, k)),
                (Some(&x), inverse.transposed()),
                part(next, k),
            )
        };
        let panel = Update { items, sides, left, right, out, alpha: 1.0, beta: 0.0 };
        cublas::update(stream, &mut factor, &panel)?;
        let (left, right) = match upper {
            true => (part(k, next).transposed(), part(k, next)),
            false => (part(next, k), part(next, k).transposed()),
        };
        let trailing = Update {
            items,
            sides: [below, below, BLOCK],
            left: (Some(&factor), left),
            right: (Some(&factor), right),
            out: part(next, next),
            alpha: -1.0,
            beta: 1.0,
        };
        cublas::update(stream, &mut rest, &trailing)?;
    }
    SPOIL
        .launch(stream)
        .input("info", &info)
        .scalar("n", n as u32)
        .scalar("elements", (items * n * n) as u64)
        .in_place("factor", &mut factor)
        .grid(Grid::elements(items * n * n), [256, 1, 1])
        .run()?;
    Ok((factor, info))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No emulator runs these.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{F32, I32};
        compiles(&FACTOR, &[], &[F32, I32, F32, F32]);
        compiles(&SPOIL, &[], &[I32, F32]);
    }
}
