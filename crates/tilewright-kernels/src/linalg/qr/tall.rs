//! Tall matrices of few columns on GPUs, by a tree: pieces of rows are reduced to their r, those are stacked and reduced in turn, until one is
//! left; then q from the top down. Each piece is one group of threads, its rows in registers, so that a matrix is read twice and written
//! twice, and q is a product of reflections as ever (Demmel, Grigori, Hoemmen, Langou, "Communication-optimal parallel and sequential QR and
//! LU factorizations", 2012).

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::super::extents::Extents;
use super::super::qr_reflectors::GPU_COLUMNS;

/// The most columns: one a lane.
pub(super) const COLUMNS: usize = 32;

/// SIMD groups of a piece, and rows that each of them holds: of the shapes that keep two pieces on a multiprocessor of an H200 the fastest.
const SHAPE: (usize, usize) = (4, 32);

/// Rows of a piece.
const ROWS: usize = SHAPE.0 * SHAPE.1;

fn program(definition: Definition) -> Program {
    let definition = definition.header(GPU_COLUMNS).template("S").template("W").template("P");
    let definition = definition.scalar("m", DType::U32).scalar("n", DType::U32);
    Program::new(definition).expect("the definition is valid")
}

static REDUCE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_tall", include_str!("gpu.tall.metal")).input("a");
    program(definition.output("reflectors").output("tau").output("r"))
});
static FORM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("qr_tall_form", include_str!("gpu.tall.form.metal"));
    let definition = ["reflectors", "tau", "above", "r"].into_iter().fold(definition, Definition::input);
    program(definition.scalar("top", DType::Bool).scalar("nonnegative", DType::Bool).output("q"))
});

/// One storey of the tree: stacks of `m` rows in pieces.
struct Storey {
    m: usize,
    reflectors: Tensor,
    tau: Tensor,
}

/// q, if it is wanted, and r of each matrix, n x n and with whatever signs. `a` has elements, and no fewer rows than columns.
pub(super) fn qr(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    with_q: bool,
    nonnegative: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let (n, items, dtype) = (extents.n, extents.batches(), a.dtype());
    let (simds, per_simd) = SHAPE;
    let mut storeys: Vec<Storey> = Vec::new();
    let (mut m, mut stack) = (extents.m, a.clone());
    let r = loop {
        let pieces = m.div_ceil(ROWS);
        let outputs = REDUCE
            .launch(stream)
            .template("S", dtype)
            .template("W", simds)
            .template("P", per_simd)
            .input("a", &stack)
            .scalar("m", m as u32)
            .scalar("n", n as u32)
            .output("reflectors", dtype, [items, m, n])
            .output("tau", dtype, [items, pieces, n])
            .output("r", dtype, [items, pieces * n, n])
            .grid(Grid::groups([items * pieces, 1, 1]), [32 * simds, 1, 1])
            .run()?;
        let [reflectors, tau, r] = <[Tensor; 3]>::try_from(outputs).expect("three outputs are declared");
        storeys.push(Storey { m, reflectors, tau });
        if pieces == 1 {
            break r;
        }
        (m, stack) = (pieces * n, r);
    };
    if !with_q {
        return Ok((None, r));
    }
    let mut q: Option<Tensor> = None;
    let bottom = storeys.len() - 1;
    for (height, Storey { m, reflectors, tau }) in storeys.into_iter().rev().enumerate() {
        // Where there is nothing above, the reflections stand in for it and are not read as such.
        let formed = FORM
            .launch(stream)
            .template("S", dtype)
            .template("W", simds)
            .template("P", per_simd)
            .input("reflectors", &reflectors)
            .input("tau", &tau)
            .input("above", q.as_ref().unwrap_or(&reflectors))
            .input("r", &r)
            .scalar("m", m as u32)
            .scalar("n", n as u32)
            .scalar("top", q.is_none())
            .scalar("nonnegative", nonnegative && height == bottom)
            .output("q", dtype, [items, m, n])
            .grid(Grid::groups([items * m.div_ceil(ROWS), 1, 1]), [32 * simds, 1, 1])
            .run_one()?;
        q = Some(formed);
    }
    Ok((q, r))
}
