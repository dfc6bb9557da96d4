//! GPU path: one launch for rows of one part. Longer rows: the parts' sums, the scan of those, and the parts onto what precedes them.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::Program;

use super::{NAME, Scan};
use crate::reduce::geometry::{Split, accumulator, definition};
use crate::reduce::rows::Rows;
use crate::reduce::sum::gpu::part_sums;

/// Elements of a part: 512 for each of 8 SIMD groups, 16 in the registers of each thread.
const PART: usize = 4096;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition(NAME, &[include_str!("gpu.header.metal")], include_str!("gpu.metal"))
        .input("carry")
        .scalar("carried", DType::Bool)
        .scalar("exclusive", DType::Bool)
        .scalar("reverse", DType::Bool)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn scan(stream: &Stream, rows: &Rows, args: &Scan) -> Result<Tensor> {
    running_sums(stream, &rows.x, rows.rows, rows.n, args)
}

/// `x`: `[.., n]`, `rows` rows.
fn running_sums(stream: &Stream, x: &Tensor, rows: usize, n: usize, args: &Scan) -> Result<Tensor> {
    let split = Split::with_chunk(NAME, rows, n, n.next_multiple_of(4).min(PART))?;
    let whole = split.parts == 1;
    let carry = if whole {
        // Never read.
        Tensor::empty(stream, accumulator(x.dtype()), [1])?
    } else {
        let sums = part_sums(stream, x, rows, &split)?;
        running_sums(stream, &sums, rows, split.parts, &Scan { exclusive: true, ..*args })?
    };
    split
        .launch(&PROGRAM, stream, x)
        .input("carry", &carry)
        .scalar("carried", !whole)
        .scalar("exclusive", args.exclusive)
        .scalar("reverse", args.reverse)
        .output("out", x.dtype(), x.shape())
        .run_one()
}
