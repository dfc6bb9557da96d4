//! The portable bodies: a row belongs to a SIMD group, or to a whole group of threads where it is long.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use super::NormGradients;
use super::rows::{Rows, block};
use crate::gemm::runs::{RUN, RUNS, begins_run};

/// Threads of a group.
const THREADS: usize = 256;
/// Elements of a row up to which a SIMD group takes it alone: 16 for each lane.
const NARROW: usize = 512;
/// Runs of 16 bytes that a lane holds at most.
const MOST_KEPT: usize = 4;

const HEADER: &str = include_str!("rows.header.metal");

static FORWARD: LazyLock<Program> = LazyLock::new(|| {
    let definition = definition("norm", include_str!("forward.metal")).header([RUNS, HEADER].concat());
    let definition = definition.template("RUNS").template("KEPT").template("GATED").input("gate");
    Program::new(definition.output("out")).expect("the definition is valid")
});

static BACKWARD: LazyLock<Program> = LazyLock::new(|| backward_program(false));
static GATED_BACKWARD: LazyLock<Program> = LazyLock::new(|| backward_program(true));

/// Without a gate nothing is written to its gradient, and what is never written is declared no output.
fn backward_program(gated: bool) -> Program {
    let name = if gated { "norm_gated_bw" } else { "norm_bw" };
    let known = if gated { "#define GATED true\n" } else { "#define GATED false\n#define dgate dx\n" };
    let definition = definition(name, include_str!("backward.metal")).header([HEADER, known].concat());
    let definition = definition.input("dy").input("gate").output("dx").output("moments");
    let definition = if gated { definition.output("dgate") } else { definition };
    Program::new(definition).expect("the definition is valid")
}

static PARTIAL: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("norm_bw_partial", include_str!("partial.metal")).header(HEADER);
    let definition = definition.template("T").template("GATED");
    let definition = definition.input("x").input("dy").input("gate").input("moments");
    let numbers = ["tokens", "heads", "n", "block"];
    let definition = numbers.iter().fold(definition, |all, number| all.scalar(*number, DType::U32));
    Program::new(definition.output("parts")).expect("the definition is valid")
});

static COMBINE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("norm_bw_combine", include_str!("combine.metal")).template("T");
    let definition = definition.input("parts").scalar("blocks", DType::U32).scalar("width", DType::U32);
    Program::new(definition.output("dw")).expect("the definition is valid")
});

fn definition(name: &'static str, body: &'static str) -> Definition {
    let definition = Definition::new(name, body).header(HEADER).template("T").template("CENTRED");
    let definition = definition.input("x").input("weight");
    let numbers = ["rows", "heads", "n"];
    let definition = numbers.iter().fold(definition, |all, number| all.scalar(*number, DType::U32));
    definition.scalar("eps", DType::F32).scalar("wide", DType::Bool)
}

fn launch<'a>(program: &'a Program, stream: &'a Stream, rows: &Rows<'a>) -> Result<Launch<'a>> {
    let count = rows.tokens * rows.heads;
    if count > i32::MAX as usize || rows.width() > i32::MAX as usize {
        let expected = "fewer than 2^31 rows, and elements of a token";
        return Err(Error::shape(rows.operation, "x", expected, rows.x.shape()));
    }
    let wide = rows.n > NARROW;
    let groups = if wide { count } else { count.div_ceil(THREADS / 32) };
    let threads = if wide { THREADS } else { THREADS.min(32 * count) };
    let launch = program.launch(stream).template("T", rows.x.dtype()).template("CENTRED", rows.centred);
    let launch = launch.input("x", rows.x).input("weight", rows.weight);
    let launch = launch.scalar("rows", count as u32).scalar("heads", rows.heads as u32);
    let launch = launch.scalar("n", rows.n as u32).scalar("eps", rows.eps as f32).scalar("wide", wide);
    Ok(launch.grid(Grid::groups([groups, 1, 1]), [threads, 1, 1]))
}

pub(super) fn forward(stream: &Stream, rows: &Rows<'_>) -> Result<Tensor> {
    if rows.x.is_empty() {
        return Tensor::empty(stream, rows.x.dtype(), rows.x.shape());
    }
    let whole = (rows.n * rows.x.dtype().size()).is_multiple_of(RUN);
    // Where there is no gate, x stands in its place, unread.
    let gate = rows.gate.unwrap_or(rows.x);
    let runs = whole && [rows.x, rows.weight, gate].into_iter().all(begins_run);
    let lanes = if rows.n > NARROW { THREADS } else { 32 };
    let held = (rows.n * rows.x.dtype().size()).div_ceil(RUN * lanes);
    let launch = launch(&FORWARD, stream, rows)?
        .template("RUNS", runs)
        .template("KEPT", if runs && held <= MOST_KEPT { held } else { 0 })
        .template("GATED", rows.gate.is_some())
        .input("gate", gate);
    launch.output("out", rows.x.dtype(), rows.x.shape()).run_one()
}

pub(super) fn backward(stream: &Stream, rows: &Rows<'_>, dy: &Tensor) -> Result<NormGradients> {
    let (dtype, width) = (rows.x.dtype(), rows.width());
    if rows.x.is_empty() {
        let empty = || Tensor::empty(stream, dtype, rows.x.shape());
        let weight = Tensor::zeros(dtype, rows.weight.shape())?.to(stream)?;
        return Ok(NormGradients { x: empty()?, weight, gate: rows.gate.map(|_| empty()).transpose()? });
    }
    let gated = rows.gate.is_some();
    // Where there is no gate, x stands in its place, unread.
    let gate = rows.gate.unwrap_or(rows.x);
    let program = if gated { &*GATED_BACKWARD } else { &*BACKWARD };
    let launch = launch(program, stream, rows)?.input("dy", dy).input("gate", gate);
    let launch = launch.output("dx", dtype, rows.x.shape());
    let launch = launch.output("moments", DType::F32, [rows.tokens, rows.heads, 2]);
    let launch = if gated { launch.output("dgate", dtype, rows.x.shape()) } else { launch };
    let mut made = launch.run()?.into_iter();
    let mut one = || made.next().expect("an output that was declared");
    let (x, moments) = (one(), one());
    let by_gate = made.next();
    let block = block(rows.tokens);
    let blocks = rows.tokens.div_ceil(block);
    let columns = [width.div_ceil(THREADS), 1, 1];
    let parts = PARTIAL
        .launch(stream)
        .template("T", dtype)
        .template("GATED", gated)
        .input("x", rows.x)
        .input("dy", dy)
        .input("gate", gate)
        .input("moments", &moments)
        .scalar("tokens", rows.tokens as u32)
        .scalar("heads", rows.heads as u32)
        .scalar("n", rows.n as u32)
        .scalar("block", block as u32)
        .output("parts", DType::F32, [blocks, width])
        .grid(Grid::groups([columns[0], blocks, 1]), [THREADS, 1, 1])
        .run_one()?;
    let launch = COMBINE.launch(stream).template("T", dtype).input("parts", &parts);
    let launch = launch.scalar("blocks", blocks as u32).scalar("width", width as u32);
    let launch = launch.output("dw", dtype, rows.weight.shape());
    let weight = launch.grid(Grid::groups(columns), [THREADS, 1, 1]).run_one()?;
    Ok(NormGradients { x, weight, gate: by_gate })
}
