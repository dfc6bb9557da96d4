//! Matrices of f32 on NVIDIA GPUs whose matrix units multiply f64 as fast as others multiply f32: the Cholesky factor r of `aᵀ a` and its inverse, all in f64.
//!
//! `aᵀ a` squares the condition, and f64 has room for the square of any that f32 knows. `q = a r⁻¹` is orthogonal to about `eps |d r⁻¹|²`, d the lengths of
//! the columns of a, whatever their scales: the [`Factor`] knows that number. What is solved with r, `(rᵀ r)⁻¹ aᵀ b`, leaves a residual of `eps cond(a)`
//! only, eps that of f64 (Higham, "Accuracy and Stability of Numerical Algorithms", section 20.4).
//!
//! Blocks of 64 columns: one group of threads factors and inverts the block on the diagonal, the library multiplies the rest. The inverse is put together
//! from halves, each level at once. The library is called from the host and keeps memory of its own, and so none of this can be captured.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cublas::{self, Part, Update};
use tilewright_gpu::backend::cuda::cusolver;
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::extents::Extents;

/// The variant's name.
pub(super) const VARIANT: &str = "gram";

/// Columns of a block.
const BLOCK: usize = 64;

/// Bytes of a block, its inverse, and a column.
const ROOM: usize = (2 * BLOCK * (BLOCK + 1) + BLOCK) * 8;

/// Smaller matrices lie in registers and have paths of their own.
pub(super) const SMALL: usize = 128;

/// The most elements of the matrices in f64 that are worked on at once: 2 GiB.
const SHARE: usize = 1 << 28;

/// Up to this [`distance`] q is orthogonal to a rounding of f32.
pub(super) const ORTHOGONAL: f64 = 1.0 / (1u64 << 22) as f64;

/// Up to this one r means something: a second pass makes q orthogonal, and what is solved has a residual below a rounding of f32.
pub(super) const KNOWN: f64 = 1.0 / 64.0;

/// About how far q is from orthogonal, `size` being `|d r⁻¹|²` of n columns. Roundings of n terms add up as the root of their number (Higham and Mary, "A
/// new approach to probabilistic rounding error analysis", 2019).
pub(super) fn distance(size: f64, n: usize) -> f64 {
    f64::EPSILON / 2.0 * (n as f64).sqrt() * size
}

/// Whether `device` multiplies f64 on matrix units by the library, and matrices of `dtype` are computed in f32.
pub(super) fn takes(device: Device, dtype: DType) -> bool {
    dtype != DType::F64
        && cublas::available(device).is_ok()
        && caps(device).is_ok_and(|caps| caps.compute_capability() == Some(90))
}

fn program(
    name: &'static str,
    body: &'static str,
    inputs: &[&'static str],
    numbers: &[&'static str],
) -> Definition {
    let definition = Definition::new(name, body).cuda_only();
    let definition = inputs.iter().copied().fold(definition, Definition::input);
    numbers.iter().fold(definition, |all, &name| all.scalar(name, DType::U32))
}

static BLOCKS: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        program("gram_block", include_str!("gram.block.cuda.cu"), &["gram"], &["n", "pitch", "k"]);
    let definition = definition.header(include_str!("gram.cuda.header.cu"));
    let definition = definition.threadgroup_memory("memory", DType::U8).output("r").output("x");
    Program::new(definition).expect("the definition is valid")
});

static INVERSES: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("gram_inverse", include_str!("gram.inverse.cuda.cu"), &[], &["pitch"]);
    let definition = definition.header(include_str!("gram.cuda.header.cu")).in_place("r");
    Program::new(definition.threadgroup_memory("memory", DType::U8).output("x"))
        .expect("the definition is valid")
});

static SIZES: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("gram_size", include_str!("gram.size.cuda.cu"), &["r", "x"], &["pitch"]);
    Program::new(definition.output("sizes")).expect("the definition is valid")
});

static TAKE: LazyLock<Program> = LazyLock::new(|| {
    let numbers = ["rows", "columns", "pitch"];
    let definition = program("gram_take", include_str!("gram.take.cuda.cu"), &["from", "index"], &numbers);
    Program::new(definition.scalar("elements", DType::U64).output("out")).expect("the definition is valid")
});

static PUT: LazyLock<Program> = LazyLock::new(|| {
    let numbers = ["rows", "columns", "pitch"];
    let definition = program("gram_put", include_str!("gram.put.cuda.cu"), &["from", "index"], &numbers);
    let definition = definition.scalar("step", DType::U64).scalar("elements", DType::U64);
    Program::new(definition.scalar("upper", DType::Bool).in_place("to")).expect("the definition is valid")
});

/// The matrices of a batch in runs that fit into memory beside what they need.
pub(super) fn shares(extents: &Extents) -> impl Iterator<Item = Vec<u32>> {
    let each = (SHARE / (extents.m * pitch(extents.n))).max(1);
    let items = extents.batches();
    (0..items).step_by(each).map(move |first| (first as u32..items.min(first + each) as u32).collect())
}

/// Columns of so many, up to a whole number of blocks.
pub(super) fn pitch(columns: usize) -> usize {
    columns.next_multiple_of(BLOCK)
}

/// On the device.
pub(super) fn index(stream: &Stream, items: &[u32]) -> Result<Tensor> {
    Tensor::from_slice(items, [items.len()])?.to(stream)
}

/// The matrices `[.., m, n]` that `index: [count]` names, in `dtype`, with zeros beside them: `[count, m, pitch]`.
pub(super) fn take(
    stream: &Stream,
    from: &Tensor,
    index: &Tensor,
    dtype: DType,
    pitch: usize,
) -> Result<Tensor> {
    let (count, &[.., m, n]) = (index.elements(), from.dims()) else { unreachable!("matrices are taken") };
    let elements = count * m * pitch;
    TAKE.launch(stream)
        .input("from", from)
        .input("index", index)
        .scalar("rows", m as u32)
        .scalar("columns", n as u32)
        .scalar("pitch", pitch as u32)
        .scalar("elements", elements as u64)
        .output("out", dtype, [count, m, pitch])
        .grid(Grid::elements(elements), [256, 1, 1])
        .run_one()
}

/// The upper left corners of `from: [count, .., ..]` into the matrices `[.., m, n]` that `index` names, or their upper triangles into zeros.
pub(super) fn put(
    stream: &Stream,
    from: &Tensor,
    index: &Tensor,
    to: &mut Tensor,
    upper: bool,
) -> Result<()> {
    let &[count, rows, pitch] = from.dims() else { unreachable!("what was made has three axes") };
    let &[.., m, n] = to.dims() else { unreachable!("matrices are made") };
    let elements = count * m * n;
    PUT.launch(stream)
        .input("from", from)
        .input("index", index)
        .scalar("rows", m as u32)
        .scalar("columns", n as u32)
        .scalar("pitch", pitch as u32)
        .scalar("step", (rows * pitch) as u64)
        .scalar("elements", elements as u64)
        .scalar("upper", upper)
        .in_place("to", to)
        .grid(Grid::elements(elements), [256, 1, 1])
        .run()?;
    Ok(())
}

/// All of a tensor `[count, rows, columns]`.
fn all(tensor: &Tensor) -> Part {
    let &[_, rows, columns] = tensor.dims() else { unreachable!("what was made has three axes") };
    Part { first: 0, pitch: columns, step: rows * columns, transposed: false }
}

/// `op(left) op(right)` of matrices `[count, .., ..]` of f64, each of which may be taken as its transpose.
pub(super) fn product(stream: &Stream, left: (&Tensor, bool), right: (&Tensor, bool)) -> Result<Tensor> {
    let sides = |(tensor, transposed): (&Tensor, bool)| {
        let (rows, columns) = (tensor.dims()[1], tensor.dims()[2]);
        if transposed { (columns, rows) } else { (rows, columns) }
    };
    let part = |(tensor, transposed): (&Tensor, bool)| Part { transposed, ..all(tensor) };
    let (items, (rows, terms), (_, columns)) = (left.0.dims()[0], sides(left), sides(right));
    let mut out = Tensor::empty(stream, left.0.dtype(), [items, rows, columns])?;
    let update = Update {
        items,
        sides: [rows, columns, terms],
        left: (Some(left.0), part(left)),
        right: (Some(right.0), part(right)),
        out: all(&out),
        alpha: 1.0,
        beta: 0.0,
    };
    cublas::update(stream, &mut out, &update)?;
    Ok(out)
}

/// Of `aᵀ a`, for each matrix of some.
pub(super) struct Factor {
    /// `[count, pitch, pitch]`, f64: upper triangular, `rᵀ r = aᵀ a`, with the diagonal of 1 beyond the columns of a.
    pub(super) r: Tensor,
    /// Its inverse.
    pub(super) x: Tensor,
    /// The [`distance`] of `a x`; NaN or beyond all bounds where there is no r.
    sizes: Vec<f64>,
}

impl Factor {
    /// Whether `a x` is orthogonal to a rounding of f32.
    pub(super) fn is_orthogonal(&self, item: usize) -> bool {
        self.sizes[item] <= ORTHOGONAL
    }

    /// Whether r is one of a matrix of full rank.
    pub(super) fn is_known(&self, item: usize) -> bool {
        self.sizes[item] <= KNOWN
    }
}

/// The factors of matrices `a: [count, m, pitch]` of f64 with `n` columns. Waits for them.
pub(super) fn factor(stream: &Stream, a: &Tensor, n: usize) -> Result<Factor> {
    let &[items, _, pitch] = a.dims() else { unreachable!("what was taken has three axes") };
    let gram = product(stream, (a, true), (a, false))?;
    // The library's factor of one matrix is there sooner. It knows nothing of columns that are none.
    let single = items == 1 && n == pitch && cusolver::available(stream.device()).is_ok();
    let (r, mut x, info) = if single { by_library(stream, gram)? } else { by_blocks(stream, gram, n)? };
    invert(stream, &r, &mut x)?;
    let blocks = pitch / BLOCK;
    let sizes = SIZES
        .launch(stream)
        .input("r", &r)
        .input("x", &x)
        .scalar("pitch", pitch as u32)
        .output("sizes", DType::F64, [items, blocks])
        .grid(Grid::groups([blocks, items, 1]), [256, 1, 1])
        .run_one()?;
    let sizes = sizes.to_vec::<f64>()?;
    let failed = match info {
        Some(info) => info.to_vec::<i32>()?[0] != 0,
        None => false,
    };
    let size = |parts: &[f64]| if failed { f64::NAN } else { distance(parts.iter().sum(), n) };
    let sizes = sizes.chunks_exact(blocks).map(size).collect();
    Ok(Factor { r, x, sizes })
}

/// r of matrices `gram: [items, pitch, pitch]`, and the inverses of the blocks on its diagonal beside zeros; what has no r is not a number.
fn by_blocks(stream: &Stream, mut gram: Tensor, n: usize) -> Result<(Tensor, Tensor, Option<Tensor>)> {
    let &[items, pitch, _] = gram.dims() else { unreachable!("what was made has three axes") };
    let square = [items, pitch, pitch];
    let mut r = Tensor::empty(stream, DType::F64, square)?;
    let mut x = Tensor::empty(stream, DType::F64, square)?;
    let part = |row: usize, column: usize| Part {
        first: row * pitch + column,
        pitch,
        step: pitch * pitch,
        transposed: false,
    };
    for k in (0..pitch).step_by(BLOCK) {
        let launch = BLOCKS
            .launch(stream)
            .input("gram", &gram)
            .scalar("n", n as u32)
            .scalar("pitch", pitch as u32)
            .scalar("k", (k / BLOCK) as u32)
            .output_into("r", &mut r)
            .output_into("x", &mut x)
            .threadgroup_bytes(ROOM)
            .grid(Grid::groups([items, 1, 1]), [256, 1, 1]);
        // What lies below the diagonals are zeros.
        if k == 0 {
            launch.initial_value(0.0).run()?
        } else {
            launch.run()?
        };
        let next = k + BLOCK;
        if next == pitch {
            break;
        }
        let rest = pitch - next;
        let row = Update {
            items,
            sides: [BLOCK, rest, BLOCK],
            left: (Some(&x), part(k, k).transposed()),
            right: (Some(&gram), part(k, next)),
            out: part(k, next),
            alpha: 1.0,
            beta: 0.0,
        };
        cublas::update(stream, &mut r, &row)?;
        let trailing = Update {
            items,
            sides: [rest, rest, BLOCK],
            left: (Some(&r), part(k, next).transposed()),
            right: (Some(&r), part(k, next)),
            out: part(next, next),
            alpha: -1.0,
            beta: 1.0,
        };
        cublas::update(stream, &mut gram, &trailing)?;
    }
    Ok((r, x, None))
}

/// The same of one matrix: r by the library, in the place of `gram`. The answer is r, the inverses of the blocks on its diagonal beside zeros, and
/// LAPACK's info.
fn by_library(stream: &Stream, mut gram: Tensor) -> Result<(Tensor, Tensor, Option<Tensor>)> {
    let pitch = gram.dims()[2];
    let mut info = Tensor::empty(stream, DType::I32, [1])?;
    cusolver::cholesky(stream, &mut gram, &mut info, true)?;
    let x = INVERSES
        .launch(stream)
        .scalar("pitch", pitch as u32)
        .in_place("r", &mut gram)
        .output("x", DType::F64, [1, pitch, pitch])
        .initial_value(0.0)
        .threadgroup_bytes(ROOM)
        .grid(Grid::groups([pitch / BLOCK, 1, 1]), [256, 1, 1])
        .run_one()?;
    Ok((gram, x, Some(info)))
}

/// The inverse of `r: [items, pitch, pitch]`, of whose blocks on the diagonal x has the inverses, beside zeros.
fn invert(stream: &Stream, r: &Tensor, x: &mut Tensor) -> Result<()> {
    let &[items, pitch, _] = r.dims() else { unreachable!("what was made has three axes") };
    let mut width = BLOCK;
    let mut halves = Tensor::empty(stream, DType::F64, [items, pitch, pitch / 2 + BLOCK])?;
    while width < pitch {
        // The columns of each left half. Those of a single matrix whose right half is whole are evenly spaced, and done at once.
        let lefts: Vec<usize> = (0..pitch - width).step_by(2 * width).collect();
        let whole =
            if items == 1 { lefts.iter().filter(|&&left| left + 2 * width <= pitch).count() } else { 0 };
        let apart = lefts[whole..].iter().map(|&left| (left, items, pitch * pitch));
        let at_once = (whole > 0).then_some((0, whole, 2 * width * (pitch + 1)));
        for (left, count, step) in at_once.into_iter().chain(apart) {
            let (middle, right) = (left + width, (pitch - left - width).min(width));
            let part = |row: usize, column: usize| Part {
                first: row * pitch + column,
                pitch,
                step,
                transposed: false,
            };
            let half = Part { first: 0, pitch: right, step: width * right, transposed: false };
            let inner = Update {
                items: count,
                sides: [width, right, right],
                left: (Some(r), part(left, middle)),
                right: (Some(x), part(middle, middle)),
                out: half,
                alpha: 1.0,
                beta: 0.0,
            };
            cublas::update(stream, &mut halves, &inner)?;
            let outer = Update {
                items: count,
                sides: [width, right, width],
                left: (None, part(left, left)),
                right: (Some(&halves), half),
                out: part(left, middle),
                alpha: -1.0,
                beta: 0.0,
            };
            cublas::update(stream, x, &outer)?;
        }
        width *= 2;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No emulator runs these.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{F32, F64, U32};
        compiles(&BLOCKS, &[], &[F64, F64, F64]);
        compiles(&INVERSES, &[], &[F64, F64]);
        compiles(&SIZES, &[], &[F64, F64, F64]);
        for (from, out) in [(F32, F64), (F32, F32), (F64, F64)] {
            compiles(&TAKE, &[], &[from, U32, out]);
        }
        for from in [F32, F64] {
            compiles(&PUT, &[], &[from, U32, F32]);
        }
    }

    #[test]
    fn a_batch_is_shared_out_and_no_other_device_takes_any() {
        let extents = Extents { batch: vec![5, 200], m: 1024, n: 1000 };
        let shares: Vec<Vec<u32>> = shares(&extents).collect();
        assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 256, 232]);
        assert_eq!(shares.concat(), (0..1000).collect::<Vec<u32>>());
        assert!(!takes(Device::Cpu, DType::F32) && !takes(Device::Emulated, DType::F32));
    }
}
