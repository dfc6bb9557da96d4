//! The portable body: a SIMD group, or eight, a row; long rows in pieces first.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Fold;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("norm", include_str!("gpu.metal"))
        .header(include_str!("gpu.header.metal"))
        .template("FOLD")
        .template("SIMDS")
        .template("S")
        .input("x")
        .scalar("n", DType::U32)
        .scalar("piece", DType::U32)
        .scalar("pieces", DType::U32)
        .scalar("power", DType::F32)
        .scalar("power_low", DType::F32);
    Program::new(definition.output("out")).expect("the definition is valid")
});

/// Elements of a piece: enough for eight SIMD groups to be busy with.
const PIECE: usize = 1 << 14;

/// Along the last axis, of n > 0 elements.
pub(super) fn vectors(
    stream: &Stream,
    x: &Tensor,
    shape: Vec<usize>,
    n: usize,
    fold: Fold,
) -> Result<Tensor> {
    let rows: usize = shape.iter().product();
    let pieces = n.div_ceil(PIECE);
    if pieces > 1 {
        let parts = launch(stream, x, vec![rows, pieces], n, PIECE, fold)?;
        return vectors(stream, &parts, shape, pieces, fold.of_pieces());
    }
    launch(stream, x, shape, n, n, fold)
}

/// What of a number its f32 lacks; of one beyond f32's range nothing, as its powers are those of infinity.
pub(in super::super) fn low(x: f64) -> f32 {
    let rest = x - f64::from(x as f32);
    if rest.is_finite() { rest as f32 } else { 0.0 }
}

fn launch(
    stream: &Stream,
    x: &Tensor,
    shape: Vec<usize>,
    n: usize,
    piece: usize,
    fold: Fold,
) -> Result<Tensor> {
    let (kind, power) = match fold {
        Fold::Count => (0usize, 0.0),
        Fold::Sum => (1, 1.0),
        Fold::Root => (2, 2.0),
        Fold::Power(p) => (3, p),
        Fold::Largest => (4, 0.0),
        Fold::Smallest => (5, 0.0),
    };
    let simds = if piece <= 256 { 1usize } else { 8 };
    let groups = shape.iter().product();
    PROGRAM
        .launch(stream)
        .template("FOLD", kind)
        .template("SIMDS", simds)
        .template("S", x.dtype())
        .input("x", x)
        .scalar("n", n as u32)
        .scalar("piece", piece as u32)
        .scalar("pieces", n.div_ceil(piece) as u32)
        .scalar("power", power as f32)
        .scalar("power_low", low(power))
        .output("out", x.dtype(), shape)
        .grid(Grid::groups([groups, 1, 1]), [simds * 32, 1, 1])
        .run_one()
}
