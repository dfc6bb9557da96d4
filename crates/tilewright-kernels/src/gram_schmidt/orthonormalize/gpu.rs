//! The portable path: the basis by `project` and `deflate`, the columns among each other by three launches a column.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::super::gpu::GROUP;
use super::super::{Deflate, Project, deflate, project, rows_per_chain};
use super::{LEAST_LEFT_TWICE, NAME, Orthonormal, Plan};
use crate::arguments::check_f64;

/// Columns whose coefficients fit a group's memory.
const MOST_COLUMNS: usize = 1024;

const HEADER: &str = include_str!("gpu.header.metal");

static SCALE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("orthonormalize_scale", include_str!("gpu.scale.metal"))
        .header(HEADER)
        .template("S")
        .template("FIRST")
        .input("a")
        .input("parts")
        .in_place("w")
        .output("out");
    let sizes = ["m", "n", "rows", "chunks"];
    let definition =
        sizes.into_iter().fold(definition, |definition, size| definition.scalar(size, DType::U32));
    Program::new(definition).expect("the definition is valid")
});

static STEP: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("orthonormalize_step", include_str!("gpu.metal"))
        .header(HEADER)
        .template("S")
        .input("parts")
        .input("references")
        .scalar("measure", DType::Bool)
        .scalar("tolerance", DType::F32)
        .scalar("least_left", DType::F32)
        .in_place("w")
        .in_place("kept")
        .output("out");
    let sizes = ["m", "n", "rows", "chunks", "j", "step"];
    let definition =
        sizes.into_iter().fold(definition, |definition, size| definition.scalar(size, DType::U32));
    Program::new(definition).expect("the definition is valid")
});

static RANK: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("orthonormalize_rank", include_str!("gpu.rank.metal"))
        .input("kept")
        .scalar("n", DType::U32)
        .output("rank");
    Program::new(definition).expect("the definition is valid")
});

/// Says why these columns cannot be made orthonormal on a GPU.
pub(super) fn check(device: Device, dtype: DType, n: usize) -> Result<()> {
    check_f64(NAME, device, dtype)?;
    if n > MOST_COLUMNS {
        let why = format!("{n} columns; the coefficients of {MOST_COLUMNS} fit a group's memory");
        return Err(Error::unsupported(NAME, device, why));
    }
    Ok(())
}

/// The matrices under way and how their rows are divided.
struct Work<'a> {
    stream: &'a Stream,
    batches: usize,
    m: usize,
    n: usize,
    chunks: usize,
    rows: usize,
    /// [b, n]: whether a column was independent.
    kept: Tensor,
}

pub(super) fn orthonormalize(
    stream: &Stream,
    a: &Tensor,
    basis: Option<&Tensor>,
    plan: &Plan,
) -> Result<Orthonormal> {
    let &Plan { m, n, .. } = plan;
    let batches = plan.batches();
    if a.is_empty() {
        let rank = Tensor::zeros(DType::I32, plan.batch.clone())?.to(stream)?;
        return Ok(Orthonormal { q: Tensor::empty(stream, a.dtype(), a.shape())?, rank });
    }
    let wanted = caps(stream.device())?.multiprocessors.unwrap_or(16);
    let least = m.div_ceil(rows_per_chain(m));
    let rows = m.div_ceil(wanted.div_ceil(batches).min(m.div_ceil(32)).max(least));
    let chunks = m.div_ceil(rows);
    let kept = Tensor::empty(stream, DType::I32, [batches, n])?;
    let mut work = Work { stream, batches, m, n, chunks, rows, kept };

    let (mut w, references) = work.scaled(a)?;
    match basis {
        None => work.columns(&mut w, &references, true, plan.tolerance)?,
        Some(basis) => {
            w = without(stream, basis, &w)?;
            work.columns(&mut w, &references, true, plan.tolerance)?;
            // What the first round left may have been small against what it took. Now every column has length 1 or 0.
            w = without(stream, basis, &w)?;
            work.columns(&mut w, &references, false, LEAST_LEFT_TWICE)?;
        }
    }
    let rank = RANK
        .launch(stream)
        .input("kept", &work.kept)
        .scalar("n", n as u32)
        .output("rank", DType::I32, plan.batch.clone())
        .grid(Grid::threads([batches, 1, 1]), [GROUP, 1, 1])
        .run_one()?;
    Ok(Orthonormal { q: w, rank })
}

/// `w - B (Bᵀ w)`.
fn without(stream: &Stream, basis: &Tensor, w: &Tensor) -> Result<Tensor> {
    let c = project(stream, basis, w, &Project::default())?;
    deflate(stream, basis, &c, w, &Deflate::default())
}

impl Work<'_> {
    fn grid(&self) -> Grid {
        Grid::groups([self.batches * self.chunks, 1, 1])
    }

    /// The columns, each times a power of two that brings its largest element near 1, and their squared norms by chunks.
    fn scaled(&self, a: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut w = Tensor::empty(self.stream, a.dtype(), a.shape())?;
        let mut launch = |first: bool, parts: &Tensor| {
            SCALE
                .launch(self.stream)
                .template("S", a.dtype())
                .template("FIRST", first)
                .input("a", a)
                .input("parts", parts)
                .in_place("w", &mut w)
                .scalar("m", self.m as u32)
                .scalar("n", self.n as u32)
                .scalar("rows", self.rows as u32)
                .scalar("chunks", self.chunks as u32)
                .output("out", a.dtype(), [self.batches, self.chunks, self.n])
                .grid(self.grid(), [GROUP, 1, 1])
                .run_one()
        };
        // The first launch reads no parts; the matrix stands in for them.
        let largest = launch(true, a)?;
        let references = launch(false, &largest)?;
        Ok((w, references))
    }

    /// Makes the columns of w orthonormal, or zeros. `measure`: `tolerance` is relative to the references, not to 1.
    fn columns(&mut self, w: &mut Tensor, references: &Tensor, measure: bool, tolerance: f64) -> Result<()> {
        let (project, subtract, finish, close) = (0u32, 1, 2, 3);
        let (grid, dtype) = (self.grid(), w.dtype());
        // Before the first column there are no parts; the references stand in for them and are not read.
        let mut parts = references.clone();
        for j in 0..=self.n {
            let steps: &[u32] = if j == self.n { &[close] } else { &[project, subtract, finish] };
            for &step in steps {
                parts = STEP
                    .launch(self.stream)
                    .template("S", dtype)
                    .input("parts", &parts)
                    .input("references", references)
                    .scalar("measure", measure)
                    .scalar("tolerance", (tolerance * tolerance) as f32)
                    .scalar("least_left", (LEAST_LEFT_TWICE * LEAST_LEFT_TWICE) as f32)
                    .in_place("w", w)
                    .in_place("kept", &mut self.kept)
                    .scalar("m", self.m as u32)
                    .scalar("n", self.n as u32)
                    .scalar("rows", self.rows as u32)
                    .scalar("chunks", self.chunks as u32)
                    .scalar("j", j as u32)
                    .scalar("step", step)
                    .output("out", dtype, [self.batches, self.chunks, self.n + 2])
                    .grid(grid, [GROUP, 1, 1])
                    .run_one()?;
            }
        }
        Ok(())
    }
}
