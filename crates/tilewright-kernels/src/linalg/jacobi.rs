//! One-sided Jacobi rotations on a GPU: what `svd` and `eigh` do once a matrix is triangular.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::extents::Extents;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_jacobi", include_str!("jacobi.metal"))
        .header(include_str!("jacobi.header.metal"));
    let definition =
        ["R", "PARTS", "SIMDS", "C", "HELD", "TURNS", "S"].into_iter().fold(definition, Definition::template);
    let definition = ["triangle", "scale", "shift"].into_iter().fold(definition, Definition::input);
    let definition = ["m", "n", "p", "limit"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = ["ascending", "symmetric", "vectors"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::Bool));
    let outputs = ["spectrum", "left", "right", "info", "g", "h"];
    Program::new(outputs.into_iter().fold(definition, Definition::output)).expect("the definition is valid")
});

/// Sweeps after which a matrix counts as one that does not converge; hard ones take less than half as many.
const SWEEPS: u32 = 40;

/// The largest n: rows of a column that a lane holds, times SIMD groups of 8 that share a column.
const LARGEST: usize = 1024;

/// Says why a GPU cannot turn n x n matrices.
pub(super) fn check(operation: &'static str, device: Device, n: usize) -> Result<()> {
    if device != Device::Cpu && n > LARGEST {
        let why = format!("{n} columns; the registers of a group hold pairs of columns of up to {LARGEST}");
        return Err(Error::unsupported(operation, device, why));
    }
    Ok(())
}

/// How a group is laid out.
struct Layout {
    /// Rows of a column that a lane holds.
    rows: usize,
    /// SIMD groups that share columns.
    parts: usize,
    /// Pairs of blocks of 16 columns that are turned at a time.
    tables: usize,
    /// All columns are, and so stay in registers.
    held: bool,
}

impl Layout {
    /// Groups have 256 threads at most, so that a thread may have all the registers that there are for one.
    fn new(n: usize) -> Self {
        let rows = match n {
            0..=32 => n.next_power_of_two().max(8),
            33..=512 => 64,
            _ => 128,
        };
        let (parts, held) = (n.div_ceil(rows), n <= 128);
        let tables = if held { n.div_ceil(32) } else { (8 / parts).max(1) };
        Layout { rows, parts, tables, held }
    }
}

/// What is asked of the triangles.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    /// The singular values and vectors, the left ones as the first n columns of `[.., m, p]` beside an identity.
    Singular { columns: usize },
    /// The eigenvalues and eigenvectors of `rᵀ r - shift`, times `scale`; both `[..]`.
    Symmetric { scale: &'a Tensor, shift: &'a Tensor, ascending: bool },
}

/// Values and vectors of a batch.
pub(super) struct Spectrum {
    pub(super) values: Tensor,
    /// Columns; empty where not asked for.
    pub(super) left: Tensor,
    /// Rows of singular vectors, or columns of eigenvectors; empty where not asked for.
    pub(super) right: Tensor,
    pub(super) info: Tensor,
}

/// Of the transposed upper triangles r in the first n of m rows of `triangle`, which has elements, and n <= m.
pub(super) fn spectrum(
    stream: &Stream,
    triangle: &Tensor,
    extents: &Extents,
    ask: Ask<'_>,
    vectors: bool,
) -> Result<Spectrum> {
    let (m, n, dtype) = (extents.m, extents.n, triangle.dtype());
    let layout = Layout::new(n);
    let simds = layout.parts * layout.tables;
    let (scale, shift, ascending, columns) = match ask {
        Ask::Singular { columns } => (triangle, triangle, false, columns),
        Ask::Symmetric { scale, shift, ascending } => (scale, shift, ascending, 0),
    };
    let symmetric = matches!(ask, Ask::Symmetric { .. });
    let turns = vectors && !symmetric;
    let shape = |there: bool, tail: [usize; 2]| if there { extents.shape(&tail) } else { vec![0] };
    let wide = n.div_ceil(32) * 32;
    let outputs = PROGRAM
        .launch(stream)
        .template("R", layout.rows)
        .template("PARTS", layout.parts)
        .template("SIMDS", simds)
        .template("C", if layout.held { 8usize } else { 4 })
        .template("HELD", layout.held)
        .template("TURNS", turns)
        .template("S", dtype)
        .input("triangle", triangle)
        .input("scale", scale)
        .input("shift", shift)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("p", columns as u32)
        .scalar("limit", SWEEPS)
        .scalar("ascending", ascending)
        .scalar("symmetric", symmetric)
        .scalar("vectors", vectors)
        .output("spectrum", dtype, extents.shape(&[n]))
        .output("left", dtype, shape(turns, [m, columns]))
        .output("right", dtype, shape(vectors, [n, n]))
        .output("info", DType::I32, &extents.batch[..])
        .output("g", dtype, shape(!layout.held, [wide, wide]))
        .output("h", dtype, shape(!layout.held && turns, [wide, wide]))
        .grid(Grid::groups([extents.batches(), 1, 1]), [simds * 32, 1, 1])
        .run()?;
    let [values, left, right, info, _, _] =
        <[Tensor; 6]>::try_from(outputs).expect("six outputs are declared");
    Ok(Spectrum { values, left, right, info })
}
