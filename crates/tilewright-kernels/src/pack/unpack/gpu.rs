//! GPU path: a launch moves and sums, another adds the groups' sums.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Layout, Result, Shape, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{NAME, Plan};
use crate::pack::moves::{Moves, known};
use crate::pack::sums::{THREADS, WORDS_PER_THREAD, finish};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let header = concat!(
        include_str!("../checksum.header.metal"),
        include_str!("../moves.header.metal"),
        include_str!("../elements.header.metal")
    );
    let definition = Definition::new("unpack", include_str!("gpu.metal"))
        .header(header)
        .template("BYTES")
        .template("WORDS")
        .template("ALIGNED")
        .input("x")
        .scalar("elements", DType::U32);
    let definition = Moves::declare(definition).output("out").output("sums");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn unpack(stream: &Stream, bytes: &Tensor, plan: &Plan, out: &mut Tensor) -> Result<Tensor> {
    let size = out.dtype().size();
    let elements = out.elements();
    if elements > i32::MAX as usize {
        return Err(Error::shape(NAME, "bytes", "fewer than 2^31 elements on a GPU", bytes.shape()));
    }
    let (start, end) = (out.layout().offset(), out.layout().end());
    // The target's memory from its first element to its last.
    let span = Layout::strided(Shape::new(&[end - start])?, &[1], start, end)?;
    let mut target = Tensor::from_buffer(out.buffer().clone(), known(out.dtype()), span)?;
    let groups = bytes.elements().div_ceil(16).div_ceil(THREADS * WORDS_PER_THREAD);
    let aligned = bytes.layout().offset().is_multiple_of(16);
    let words = plan.to.in_words(size) && (start * size).is_multiple_of(16);
    let launch = PROGRAM
        .launch(stream)
        .template("BYTES", size)
        .template("WORDS", aligned && words && bytes.elements().is_multiple_of(16))
        .template("ALIGNED", aligned)
        .input("x", bytes)
        .scalar("elements", elements as u32);
    let sums = plan
        .to
        .scalars(launch)
        .output_into("out", &mut target)
        .output("sums", DType::U64, [groups])
        .grid(Grid::groups([groups, 1, 1]), [THREADS, 1, 1])
        .run_one()?;
    let mut checksum = Tensor::empty(stream, DType::U64, [1])?;
    finish(stream, &sums, groups, bytes.elements(), 0, &mut checksum)?;
    Ok(checksum)
}
