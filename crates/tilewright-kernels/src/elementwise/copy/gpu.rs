//! The four portable bodies, one for each way that a source can lie, and the choice between them.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Layout, Result, Shape, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

use super::walk::{Path, Walk};
use crate::elementwise::gpu::{GROUP, groups_of, vectors_fit};

static WORDS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("copy_words", include_str!("gpu.words.metal"))
        .header(include_str!("gpu.words.header.metal"))
        .template("BYTES")
        .input("x")
        .scalar("bytes", DType::U64)
        .output("out");
    Program::new(definition).expect("the definition is valid")
});

/// What the bodies that may convert have in common: types and readings of source (`S`, `FROM`) and target (`D`, `TO`).
fn converting(name: &'static str, body: &'static str) -> Definition {
    Definition::new(name, body)
        .header(include_str!("gpu.header.metal"))
        .template("S")
        .template("FROM")
        .template("D")
        .template("TO")
        .input("x")
        .output("out")
}

static RUN: LazyLock<Program> = LazyLock::new(|| {
    let definition = converting("copy_run", include_str!("gpu.run.metal"));
    Program::new(definition.template("ALIGNED").scalar("n", DType::U64)).expect("the definition is valid")
});

static STRIDED: LazyLock<Program> = LazyLock::new(|| {
    let definition = converting("copy_strided", include_str!("gpu.strided.metal")).any_strides();
    Program::new(definition.template("LARGE").scalar("n", DType::U64)).expect("the definition is valid")
});

static TURNED: LazyLock<Program> = LazyLock::new(|| {
    let definition = converting("copy_turned", include_str!("gpu.turned.metal")).any_strides();
    Program::new(definition.template("TILE").scalar("axis", DType::I32)).expect("the definition is valid")
});

/// Threads of a group that converts so many elements on CUDA: a hundredth faster where every multiprocessor has several.
const WIDE: usize = 1024;
const MANY: usize = 1 << 22;
/// Elements per thread of the strided body.
const STRIDED_PER_THREAD: usize = 4;
/// Words per thread of the body that only moves.
const WORDS_PER_THREAD: usize = 4;
/// Tiles of less than half of the smallest tile are not worth turning.
const LEAST_TURNED: usize = 16;

/// Copies `x`, which has elements, into `out`, which is checked.
pub(super) fn copy(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let walk = Walk::new(x.layout());
    match walk.path(LEAST_TURNED) {
        Path::Contiguous if x.dtype() == out.dtype() => words(stream, x, out),
        Path::Contiguous => run(stream, x, out),
        Path::Turned { axis } => turned(stream, &view(x, &walk)?, axis, out),
        Path::Strided => strided(stream, &view(x, &walk)?, out),
    }
}

fn words(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let offset = x.layout().offset() * x.dtype().size();
    let width = [16, 8, 4, 2, 1].into_iter().find(|width| offset.is_multiple_of(*width)).unwrap_or(1);
    let per_group = width * WORDS_PER_THREAD * GROUP;
    let launch =
        WORDS.launch(stream).template("BYTES", width).input("x", x).scalar("bytes", x.bytes() as u64);
    let grid = Grid::groups([x.bytes().div_ceil(per_group), 1, 1]);
    launch.output_into("out", out).grid(grid, [GROUP, 1, 1]).run().map(drop)
}

fn run(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let (aligned, elements) = (vectors_fit(&[x, out]), x.elements());
    let group = if matches!(stream.device(), Device::Cuda(_)) && elements >= MANY { WIDE } else { GROUP };
    let launch = formats(RUN.launch(stream), x.dtype(), out.dtype())
        .template("ALIGNED", aligned)
        .input("x", x)
        .scalar("n", elements as u64);
    launch.output_into("out", out).grid(groups_of(elements, group), [group, 1, 1]).run().map(drop)
}

fn strided(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    let elements = x.elements();
    let launch = formats(STRIDED.launch(stream), x.dtype(), out.dtype())
        .template("LARGE", u32::try_from(elements + STRIDED_PER_THREAD).is_err())
        .input("x", x)
        .scalar("n", elements as u64);
    let grid = Grid::threads([elements.div_ceil(STRIDED_PER_THREAD), 1, 1]);
    launch.output_into("out", out).grid(grid, [GROUP, 1, 1]).run().map(drop)
}

fn turned(stream: &Stream, x: &Tensor, axis: usize, out: &mut Tensor) -> Result<()> {
    // A row of the tile is 128 bytes of the wider side at least, a full transaction; 8-byte tiles of 64 would not fit 32 KiB.
    let tile = if x.dtype().size().max(out.dtype().size()) <= 2 { 64 } else { 32 };
    let last = x.rank() - 1;
    let items = x.elements() / (x.dims()[axis] * x.dims()[last]);
    let tiles = x.dims()[axis].div_ceil(tile) * x.dims()[last].div_ceil(tile) * items;
    let launch = formats(TURNED.launch(stream), x.dtype(), out.dtype())
        .template("TILE", tile)
        .input("x", x)
        .scalar("axis", axis as i32);
    launch.output_into("out", out).grid(Grid::groups([tiles, 1, 1]), [GROUP, 1, 1]).run().map(drop)
}

/// The source under the axes of its walk.
fn view(x: &Tensor, walk: &Walk) -> Result<Tensor> {
    let layout = Layout::strided(Shape::new(&walk.dims)?, &walk.strides, walk.offset, usize::MAX)?;
    Tensor::from_buffer(x.buffer().clone(), x.dtype(), layout)
}

/// The codes of `gpu.header.metal`: how memory of a dtype is read.
fn formats<'a>(launch: Launch<'a>, from: DType, to: DType) -> Launch<'a> {
    let format = |dtype| match dtype {
        _ if from == to => (word(dtype), 4),
        DType::Bool => (DType::U8, 1),
        DType::F8E4M3 => (DType::U8, 2),
        DType::F8E5M2 => (DType::U8, 3),
        other => (other, 0),
    };
    let ((source, reading), (target, writing)) = (format(from), format(to));
    launch.template("S", source).template("FROM", reading).template("D", target).template("TO", writing)
}

/// The integer that moves elements of this size.
fn word(dtype: DType) -> DType {
    match dtype.size() {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        _ => DType::U64,
    }
}
