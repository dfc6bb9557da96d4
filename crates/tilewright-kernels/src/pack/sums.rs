//! The checksums of tensors from the sums of their groups, on a GPU.

use std::sync::LazyLock;

use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

/// Threads of a group, and words of 16 bytes that each moves.
pub(super) const THREADS: usize = 256;
pub(super) const WORDS_PER_THREAD: usize = 4;

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("pack_finish", include_str!("finish.metal"))
        .header(include_str!("checksum.header.metal"))
        .input("sums")
        .scalar("groups", DType::U32)
        .scalar("bytes", DType::U64)
        .scalar("which", DType::U32)
        .in_place("checksums");
    Program::new(definition).expect("the definition is valid")
});

/// Writes the checksum of tensor `which`, of so many bytes.
pub(super) fn finish(
    stream: &Stream,
    sums: &Tensor,
    groups: usize,
    bytes: usize,
    which: usize,
    checksums: &mut Tensor,
) -> Result<()> {
    FINISH
        .launch(stream)
        .input("sums", sums)
        .scalar("groups", groups as u32)
        .scalar("bytes", bytes as u64)
        .scalar("which", which as u32)
        .in_place("checksums", checksums)
        .grid(Grid::groups([1, 1, 1]), [groups.next_multiple_of(32).clamp(32, THREADS), 1, 1])
        .run()
        .map(drop)
}
