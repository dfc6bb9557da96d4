//! Eigenvalues and singular values on a GPU of matrices that fit threadgroup memory: reflections to two diagonals, and implicit sweeps along
//! them, in one launch.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use super::eigh::{Eigen, Eigh};
use super::extents::Extents;
use super::jacobi::Spectrum;

fn program(definition: Definition, inputs: &[&'static str], flags: &[&'static str]) -> Program {
    let definition = ["W", "M", "S"].into_iter().fold(definition, Definition::template);
    let definition = inputs.iter().fold(definition.input("a"), |all, &name| all.scalar(name, DType::U32));
    let definition = flags.iter().fold(definition, |all, &name| all.scalar(name, DType::Bool));
    let definition = definition.threadgroup_memory("memory", DType::U8);
    Program::new(definition).expect("the definition is valid")
}

/// What bodies that make several sweeps at once share.
const SWEPT: &str = concat!(include_str!("lanes.header.metal"), include_str!("chase.header.metal"));

static SYMMETRIC: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eigh_chase", include_str!("eigh/gpu.chase.metal"));
    symmetric_program(definition.header(SWEPT))
});

/// One sweep at a time, for matrices of up to 32 columns: what several at once gain there is less than what their registers cost in matrices that are
/// under way together.
static SINGLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("eigh_chase_single", include_str!("eigh/gpu.chase.single.metal"));
    let header = concat!(
        include_str!("lanes.header.metal"),
        include_str!("roots.header.metal"),
        include_str!("chase.single.header.metal")
    );
    symmetric_program(definition.header(header))
});

fn symmetric_program(definition: Definition) -> Program {
    let definition = ["values", "columns", "info"].into_iter().fold(definition, Definition::output);
    program(definition, &["n", "items"], &["upper", "descending", "vectors"])
}

static GENERAL: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("svd_chase", include_str!("svd/gpu.chase.metal"));
    let definition = definition.header(SWEPT);
    let outputs = ["spectrum", "left_vectors", "right_vectors", "info"];
    let definition = outputs.into_iter().fold(definition, Definition::output);
    program(definition, &["m", "n", "p", "items"], &["triangular", "vectors"])
});

/// What is decomposed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Symmetric,
    General,
}

/// A group of threads and its matrices.
struct Room {
    /// SIMD groups a matrix.
    simds: usize,
    matrices: usize,
    bytes: usize,
}

impl Room {
    /// For n x n matrices, if the device has the memory.
    fn of(device: Device, dtype: DType, n: usize, kind: Kind) -> Option<Self> {
        if !(1..=128).contains(&n) {
            return None;
        }
        // Beside the dynamic memory the bodies have some of their own.
        let most = caps(device).ok()?.threadgroup_memory.saturating_sub(2048);
        let simds = n.div_ceil(32);
        let (rows, pitch) = (32 * simds, 32 * simds + 1);
        let elements = match kind {
            Kind::Symmetric if simds == 1 => rows * pitch + 9 * rows,
            Kind::Symmetric => rows * pitch + 2 * rows + 4 + 16 * (rows + 8),
            Kind::General => 2 * rows * pitch + 34 * rows + 4,
        };
        let counts: &[usize] = if simds == 1 { &[4, 2, 1] } else { &[1] };
        let bytes = |matrices: usize| matrices * elements * dtype.size();
        let &matrices = counts.iter().find(|&&matrices| bytes(matrices) <= most)?;
        Some(Room { simds, matrices, bytes: bytes(matrices) })
    }

    /// The launch, for so many matrices, but for its tensors.
    fn launch<'a>(&self, program: &'a Program, stream: &'a Stream, items: usize, dtype: DType) -> Launch<'a> {
        let launch = program.launch(stream);
        let launch = launch.template("W", self.simds).template("M", self.matrices).template("S", dtype);
        let threads = 32 * (self.simds * self.matrices + 1);
        let launch = launch.grid(Grid::groups([items.div_ceil(self.matrices), 1, 1]), [threads, 1, 1]);
        launch.scalar("items", items as u32).threadgroup_bytes(self.bytes)
    }
}

/// Eigenvalues and eigenvectors, or `None` where the matrices do not fit. `a` has elements.
pub(super) fn symmetric(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    args: &Eigh,
) -> Result<Option<Eigen>> {
    let n = extents.n;
    let Some(room) = Room::of(stream.device(), a.dtype(), n, Kind::Symmetric) else { return Ok(None) };
    let vectors = !args.values_only;
    let outputs = room
        .launch(if room.simds == 1 { &SINGLE } else { &SYMMETRIC }, stream, extents.batches(), a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("upper", args.upper)
        .scalar("descending", args.descending)
        .scalar("vectors", vectors)
        .output("values", a.dtype(), extents.shape(&[n]))
        .output("columns", a.dtype(), if vectors { extents.shape(&[n, n]) } else { vec![0] })
        .output("info", DType::I32, &extents.batch[..])
        .run()?;
    let [values, columns, info] = <[Tensor; 3]>::try_from(outputs).expect("three outputs are declared");
    Ok(Some(Eigen { values, vectors: vectors.then_some(columns), info }))
}

/// Whether [`general`] takes n x n matrices.
pub(super) fn takes_general(device: Device, dtype: DType, n: usize) -> bool {
    Room::of(device, dtype, n, Kind::General).is_some()
}

/// Singular values and vectors of n x n matrices, or of the upper triangles in the first n of m rows, that [`takes_general`] takes. The left ones
/// are the first n columns of `[.., m, columns]` beside an identity. `a` has elements.
pub(super) fn general(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    triangular: bool,
    columns: usize,
    vectors: bool,
) -> Result<Spectrum> {
    let (m, n, dtype) = (extents.m, extents.n, a.dtype());
    let room = Room::of(stream.device(), dtype, n, Kind::General).expect("the matrices are taken");
    let shape = |tail: [usize; 2]| if vectors { extents.shape(&tail) } else { vec![0] };
    let outputs = room
        .launch(&GENERAL, stream, extents.batches(), dtype)
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("p", columns as u32)
        .scalar("triangular", triangular)
        .scalar("vectors", vectors)
        .output("spectrum", dtype, extents.shape(&[n]))
        .output("left_vectors", dtype, shape([m, columns]))
        .output("right_vectors", dtype, shape([n, n]))
        .output("info", DType::I32, &extents.batch[..])
        .run()?;
    let [values, left, right, info] = <[Tensor; 4]>::try_from(outputs).expect("four outputs are declared");
    Ok(Spectrum { values, left, right, info })
}
