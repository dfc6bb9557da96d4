//! GPU path: a launch for each tensor moves and sums, another adds the groups' sums.

use std::ops::Range;
use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::NAME;
use crate::pack::moves::{Moves, moved};
use crate::pack::sums::{THREADS, WORDS_PER_THREAD, finish};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let header = concat!(
        include_str!("../checksum.header.metal"),
        include_str!("../moves.header.metal"),
        include_str!("../elements.header.metal")
    );
    let definition = Definition::new("pack", include_str!("gpu.metal"))
        .header(header)
        .template("BYTES")
        .template("WORDS")
        .input("x")
        .any_strides()
        .scalar("elements", DType::U32)
        .scalar("start", DType::U64)
        .scalar("padded", DType::Bool);
    let definition = Moves::declare(definition).in_place("out").output("sums");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn pack(
    stream: &Stream,
    parts: &[(&Tensor, Moves)],
    places: &[Range<usize>],
    end: usize,
) -> Result<(Tensor, Tensor)> {
    if let Some((x, _)) = parts.iter().find(|(x, _)| x.elements() > i32::MAX as usize) {
        return Err(Error::shape(NAME, "x", "fewer than 2^31 elements on a GPU", x.shape()));
    }
    let mut bytes = Tensor::empty(stream, DType::U8, [end])?;
    let mut checksums = Tensor::empty(stream, DType::U64, [parts.len()])?;
    for (which, ((x, moves), place)) in parts.iter().zip(places).enumerate() {
        let size = x.dtype().size();
        let words = place.len().div_ceil(16);
        let groups = words.div_ceil(THREADS * WORDS_PER_THREAD);
        let mut sums = Tensor::empty(stream, DType::U64, [0])?;
        if groups > 0 {
            let aligned = moves.in_words(size) && (x.layout().offset() * size).is_multiple_of(16);
            let source = moved(x, x.dtype())?;
            let launch = PROGRAM
                .launch(stream)
                .template("BYTES", size)
                .template("WORDS", aligned && place.len().is_multiple_of(16))
                .input("x", &source)
                .scalar("elements", x.elements() as u32)
                .scalar("start", place.start as u64)
                .scalar("padded", place.end < end);
            sums = moves
                .scalars(launch)
                .in_place("out", &mut bytes)
                .output("sums", DType::U64, [groups])
                .grid(Grid::groups([groups, 1, 1]), [THREADS, 1, 1])
                .run_one()?;
        }
        finish(stream, &sums, groups, place.len(), which, &mut checksums)?;
    }
    Ok((bytes, checksums))
}
