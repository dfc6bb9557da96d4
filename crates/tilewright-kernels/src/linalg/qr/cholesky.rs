//! Tall matrices of f32 on NVIDIA GPUs with fast f64, by Cholesky's factor of `aᵀ a`: two passes over the matrix, all of them products.
//!
//! In f64 the products lose nothing of f32, and `aᵀ a` squares a condition that f64 has room for. Of a matrix whose condition is 1000 or so q is
//! orthogonal to a rounding of f32 at once. Otherwise q is decomposed a second time, and r is the product of both triangles. Where columns depend on
//! others, to roundings of f32, so that the factor does not exist or says nothing, `aᵀ a` gets 2^-44 of each column's square on its diagonal, and `a`
//! numbers of 2^-22 of each column's length, which are a property of the element's place: then what is left of a column is no accident of roundings, q
//! is orthogonal after the second pass whatever the rank, and `a - q r` is as small as those numbers, column by column. The device decides; the launches
//! of a second pass that is not wanted end at once.
//!
//! Yamamoto, Nakatsukasa, Yanagisawa, Fukaya, "Roundoff error analysis of the CholeskyQR2 algorithm" (2015); Fukaya, Kannan, Nakatsukasa, Yamamoto,
//! Yanagisawa, "Shifted Cholesky QR for computing the QR factorization of ill-conditioned matrices" (2020), for the shift.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program, caps};

use super::super::extents::Extents;

/// The variant's name.
pub(super) const VARIANT: &str = "cholesky";

/// The most columns: a block row of the triangle lies in shared memory.
const COLUMNS: usize = 256;

/// Of the header: sides of a block, warps of a group that multiplies and of one that gathers.
const BLOCK: usize = 32;
const WARPS: usize = 4;
const GATHERERS: usize = 16;
/// Rows of a block in shared memory are so many elements apart.
const PITCH: usize = 36;

/// Whether `device` multiplies f64 on matrix units, and the matrices are so tall that random columns are nearly orthogonal to all of a matrix.
pub(super) fn takes(device: Device, dtype: DType, extents: &Extents) -> bool {
    let Device::Cuda(_) = device else { return false };
    dtype != DType::F64
        && (1..=COLUMNS).contains(&extents.n)
        && extents.m >= (8 * extents.n).max(512)
        && u32::try_from(extents.m + BLOCK * WARPS).is_ok()
        && caps(device).is_ok_and(|caps| caps.compute_capability() == Some(90))
}

fn program(
    name: &'static str,
    body: &'static str,
    inputs: &[&'static str],
    numbers: &[&'static str],
) -> Definition {
    let definition = Definition::new(name, body).header(include_str!("cholesky.cuda.header.cu")).cuda_only();
    let definition = inputs.iter().copied().fold(definition, Definition::input);
    numbers.iter().fold(definition, |all, &name| all.scalar(name, DType::U32))
}

fn finished(definition: Definition) -> Program {
    Program::new(definition).expect("the definition is valid")
}

static GRAM: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("cholesky.gram.cuda.cu");
    let definition = program("qr_cholesky_gram", body, &["a", "state"], &["m", "n", "splits", "rows"]);
    let definition = definition.template("SIDE").scalar("wide", DType::Bool).scalar("second", DType::Bool);
    finished(definition.output("parts"))
});
static GATHER: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("cholesky.gather.cuda.cu");
    let definition = program("qr_cholesky_gather", body, &["parts", "state"], &["n", "splits"]);
    finished(definition.scalar("second", DType::Bool).output("gram"))
});
static TRIANGLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = program("qr_cholesky", include_str!("cholesky.triangle.cuda.cu"), &["gram"], &["n"]);
    let definition = definition.scalar("second", DType::Bool).threadgroup_memory("memory", DType::U8);
    let definition = definition.in_place("state");
    finished(["s", "x", "sizes"].into_iter().fold(definition, Definition::output))
});
static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let inputs = ["gram", "s", "x", "sizes", "r_before", "w_before", "state"];
    let definition = program("qr_cholesky_finish", include_str!("cholesky.finish.cuda.cu"), &inputs, &["n"]);
    let definition = definition.scalar("second", DType::Bool).in_place("r");
    finished(definition.output("r_wide").output("w"))
});
static PRODUCT: LazyLock<Program> = LazyLock::new(|| {
    let body = include_str!("cholesky.product.cuda.cu");
    let definition = program("qr_cholesky_product", body, &["a", "w", "sizes", "state"], &["m", "n"]);
    finished(definition.scalar("wide", DType::Bool).scalar("wanting", DType::Bool).in_place("q"))
});

/// A batch, and how it is shared out.
struct Call<'a> {
    stream: &'a Stream,
    m: usize,
    n: usize,
    items: usize,
    /// Sides of a matrix in blocks, pairs of them at or above the diagonal, elements of a side.
    blocks: usize,
    pairs: usize,
    pitch: usize,
}

/// What one pass leaves.
struct Pass {
    /// In f64, r and what takes `a` to q.
    r: Tensor,
    w: Tensor,
    sizes: Tensor,
}

impl Call<'_> {
    fn sized<'b>(&'b self, program: &'b Program) -> Launch<'b> {
        program.launch(self.stream).scalar("n", self.n as u32)
    }

    fn square(&self) -> [usize; 3] {
        [self.items, self.pitch, self.pitch]
    }

    /// `aᵀ a` in f64.
    fn gram(&self, a: &Tensor, state: &Tensor, second: bool) -> Result<Tensor> {
        let &Call { m, n, items, blocks, pairs, pitch, .. } = self;
        // Each warp of a group has a block of its own, or all have the one that there is.
        let side = if blocks == 1 { 1 } else { 2 };
        let sides = blocks.div_ceil(side);
        let groups = sides * (sides + 1) / 2;
        let multiprocessors = caps(self.stream.device())?.multiprocessors.unwrap_or(1);
        // As many as run at once, of no fewer rows than make up for the sums that they leave.
        let fitting = multiprocessors * (4 / side + side / 2) / (groups * items);
        let splits = fitting.clamp(1, m.div_ceil(256));
        let rows = m.div_ceil(splits).next_multiple_of(8);
        let splits = m.div_ceil(rows);
        let parts = self
            .sized(&GRAM)
            .template("SIDE", side)
            .input("a", a)
            .input("state", state)
            .scalar("m", m as u32)
            .scalar("splits", splits as u32)
            .scalar("rows", rows as u32)
            .scalar("wide", wide(a, n))
            .scalar("second", second)
            .output("parts", DType::F64, [items, splits, pairs, BLOCK, BLOCK])
            .grid(Grid::groups([items * groups * splits, 1, 1]), [32 * WARPS, 1, 1])
            .run_one()?;
        self.sized(&GATHER)
            .input("parts", &parts)
            .input("state", state)
            .scalar("splits", splits as u32)
            .scalar("second", second)
            .output("gram", DType::F64, [items, pitch, pitch])
            .grid(Grid::groups([items * pairs * BLOCK, 1, 1]), [32 * GATHERERS, 1, 1])
            .run_one()
    }

    /// Both triangles, after those of the pass `before`; r in f32 too.
    fn pass(&self, a: &Tensor, state: &mut Tensor, r: &mut Tensor, before: Option<&Pass>) -> Result<Pass> {
        let (items, pitch, second) = (self.items, self.pitch, before.is_some());
        let gram = self.gram(a, state, second)?;
        let threads = if self.blocks == 1 { 64 } else { 256 };
        // The first time that of a matrix whose columns depend on others is made beside the other, wanted or not.
        let attempts = if second { 1 } else { 2 };
        let outputs = self
            .sized(&TRIANGLE)
            .input("gram", &gram)
            .scalar("second", second)
            .in_place("state", state)
            .output("s", DType::F64, [attempts * items, pitch, pitch])
            .output("x", DType::F64, [attempts * items, pitch, pitch])
            .output("sizes", DType::F64, [items, pitch])
            .threadgroup_bytes((pitch + BLOCK + (self.blocks + 1) * BLOCK * PITCH) * 8)
            .grid(Grid::groups([attempts * items, 1, 1]), [threads, 1, 1])
            .run()?;
        let [s, x, sizes] = <[Tensor; 3]>::try_from(outputs).expect("three outputs are declared");
        let outputs = self
            .sized(&FINISH)
            .input("gram", &gram)
            .input("s", &s)
            .input("x", &x)
            .input("sizes", &sizes)
            // The first time these are not read.
            .input("r_before", before.map_or(&s, |before| &before.r))
            .input("w_before", before.map_or(&x, |before| &before.w))
            .input("state", state)
            .scalar("second", second)
            .in_place("r", r)
            .output("r_wide", DType::F64, self.square())
            .output("w", DType::F64, self.square())
            .grid(Grid::groups([2 * items * self.blocks * self.blocks, 1, 1]), [256, 1, 1])
            .run()?;
        let [r, w] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
        Ok(Pass { r, w, sizes })
    }

    /// q, where it is still wanted or anyhow.
    fn product(
        &self,
        a: &Tensor,
        w: &Tensor,
        sizes: &Tensor,
        state: &Tensor,
        q: &mut Tensor,
        wanting: bool,
    ) -> Result<()> {
        let tiles = self.m.div_ceil(BLOCK * WARPS);
        self.sized(&PRODUCT)
            .input("a", a)
            .input("w", w)
            .input("sizes", sizes)
            .input("state", state)
            .scalar("m", self.m as u32)
            .scalar("wide", wide(a, self.n))
            .scalar("wanting", wanting)
            .in_place("q", q)
            .grid(Grid::groups([self.items * tiles * self.blocks, 1, 1]), [32 * WARPS, 1, 1])
            .run()?;
        Ok(())
    }
}

/// Whether all rows begin at multiples of 16 bytes. What does not lie by rows is copied to memory of its own.
fn wide(a: &Tensor, n: usize) -> bool {
    n.is_multiple_of(4) && (!a.is_contiguous() || a.layout().offset().is_multiple_of(4))
}

/// q, if it is wanted, and r of each matrix, n x n, whose diagonal is not negative. `a`, of f32, is taken.
pub(super) fn qr(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    with_q: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let blocks = n.div_ceil(BLOCK);
    let pairs = blocks * (blocks + 1) / 2;
    let call = Call { stream, m, n, items, blocks, pairs, pitch: blocks * BLOCK };
    let mut r = Tensor::empty(stream, DType::F32, extents.shape(&[n, n]))?;
    let mut q = Tensor::empty(stream, DType::F32, extents.shape(&[m, n]))?;
    let mut state = Tensor::empty(stream, DType::I32, [items])?;
    let first = call.pass(a, &mut state, &mut r, None)?;
    call.product(a, &first.w, &first.sizes, &state, &mut q, !with_q)?;
    let second = call.pass(&q, &mut state, &mut r, Some(&first))?;
    if with_q {
        call.product(a, &second.w, &first.sizes, &state, &mut q, true)?;
    }
    Ok((with_q.then_some(q), r))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No emulator runs these.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{F32, F64, I32};
        for side in [1, 2] {
            compiles(&GRAM, &[side.into()], &[F32, I32, F64]);
        }
        compiles(&GATHER, &[], &[F64, I32, F64]);
        compiles(&TRIANGLE, &[], &[F64, I32, F64, F64, F64]);
        compiles(&FINISH, &[], &[F64, F64, F64, F64, F64, F64, I32, F32, F64, F64]);
        compiles(&PRODUCT, &[], &[F32, F64, F64, I32, F32]);
    }

    #[test]
    fn no_other_device_takes_them() {
        let extents = Extents { batch: Vec::new(), m: 10_000, n: 32 };
        assert!(!takes(Device::Cpu, DType::F32, &extents) && !takes(Device::Emulated, DType::F32, &extents));
        let header = include_str!("cholesky.cuda.header.cu");
        assert!(header.contains("WARPS = 4, GATHERERS = 16, BLOCK = 32") && header.contains("PITCH = 36"));
    }
}
