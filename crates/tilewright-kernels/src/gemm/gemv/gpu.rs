//! The product with a vector on GPUs: by rows or by columns, and in how many pieces of the sum.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::super::matmul::{GPU_HEADER, add_pieces, is_whole};
use super::super::product::accumulator;
use super::{NAME, Problem};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new(NAME, include_str!("gpu.metal")).header(GPU_HEADER).any_strides();
    let definition = definition.template("T").template("S").template("O").input("a").input("x").output("out");
    let definition = ["m", "k", "span"].into_iter().fold(definition, |d, name| d.scalar(name, DType::I32));
    let definition = ["batches", "splits"].into_iter().fold(definition, |d, name| d.scalar(name, DType::U32));
    let definition =
        ["by_rows", "a_whole", "x_whole"].into_iter().fold(definition, |d, name| d.scalar(name, DType::Bool));
    Program::new(definition).expect("the definition is valid")
});

/// Threads a group: 8 SIMD groups, as the body has it.
const THREADS: usize = 256;

pub(super) fn gemv(stream: &Stream, problem: &Problem) -> Result<Tensor> {
    let shape = problem.shape()?;
    let (sums, batches) = (accumulator(problem.a.dtype()), problem.batch.elements());
    let extents = [problem.m, problem.k, batches];
    if extents.iter().any(|&extent| i32::try_from(extent).is_err()) {
        let why = format!("extents {extents:?} beyond 2^31 - 1");
        return Err(Error::unsupported(NAME, stream.device(), why));
    }
    if shape.elements() == 0 {
        return Tensor::empty(stream, problem.out, &shape);
    }
    let [.., row, term] = *problem.a.strides() else { unreachable!("two axes") };
    let by_rows = term == 1 || row != 1;
    let groups = problem.m.div_ceil(if by_rows { 8 } else { 128 });
    // Enough groups that their reads together saturate memory; a piece is at least 1024 terms by rows, 64 by columns.
    let wanted = 8 * caps(stream.device())?.multiprocessors.unwrap_or(4);
    let least = if by_rows { 1024 } else { 64 };
    let pieces = (wanted / (groups * batches)).clamp(1, (problem.k / least).max(1));
    let span = problem.k.div_ceil(pieces).next_multiple_of(4).max(4);
    let pieces = problem.k.div_ceil(span).max(1);
    let out = if pieces == 1 { problem.out } else { sums };
    let parts = PROGRAM
        .launch(stream)
        .template("T", problem.a.dtype())
        .template("S", sums)
        .template("O", out)
        .input("a", &problem.a)
        .input("x", &problem.x)
        .output("out", out, [batches * pieces, problem.m])
        .scalar("m", problem.m as i32)
        .scalar("k", problem.k as i32)
        .scalar("span", span as i32)
        .scalar("batches", batches as u32)
        .scalar("splits", pieces as u32)
        .scalar("by_rows", by_rows)
        .scalar("a_whole", is_whole(&problem.a))
        .scalar("x_whole", is_whole(&problem.x.unsqueeze(problem.x.rank() - 1)?))
        .grid(Grid::groups([groups, 1, (batches * pieces).min(65_535)]), [THREADS, 1, 1])
        .run_one()?;
    let out = if pieces == 1 {
        parts
    } else {
        add_pieces(stream, &parts, pieces, [batches, problem.m, 1], problem.out)?
    };
    out.reshape(&shape)
}
