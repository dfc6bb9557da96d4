//! Keys and values of attention in blocks of memory that sequences need not have in a row.
//!
//! [`kv_append()`] · [`kv_append_quantized()`] · [`mla_append()`] · [`mla_append_quantized()`] · [`kv_gather()`] · [`kv_gather_quantized()`]
//!
//! A cache is `[blocks, block, heads, d]`. A slot is a token's place in it, `block number * block + place`; a sequence's blocks stand in its row of a table.
//! Quantised caches hold small numbers and a scale for each block of a token's head ([`Quantized`](crate::pack::Quantized)); a latent cache, of multi-head latent
//! attention, is `[blocks, block, r + p]`: a token's latent vector, then its part with the rotated position, which all heads share.

pub mod kv_append;
pub mod kv_append_quantized;
pub mod kv_gather;
pub mod kv_gather_quantized;
pub mod mla_append;
pub mod mla_append_quantized;

mod samples;

pub use kv_append::kv_append;
pub use kv_append_quantized::kv_append_quantized;
pub use kv_gather::{KvGather, Layout, kv_gather};
pub use kv_gather_quantized::{KvGatherQuantized, kv_gather_quantized};
pub use mla_append::mla_append;
pub use mla_append_quantized::mla_append_quantized;

use tilewright_core::{DType, Error, Result, Tensor};

/// Formats that caches hold: they are moved, not read.
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F8E4M3, DType::F8E5M2, DType::I8, DType::U8];

/// The extents `[blocks, block, heads, d]` of a cache.
fn extents(operation: &'static str, argument: &'static str, cache: &Tensor) -> Result<[usize; 4]> {
    cache
        .dims()
        .try_into()
        .map_err(|_| Error::shape(operation, argument, "[blocks, block, heads, d]", cache.shape()))
}

/// Refuses a tensor that cannot be written in place.
fn check_written(operation: &'static str, argument: &'static str, tensor: &mut Tensor) -> Result<()> {
    if !tensor.is_contiguous() {
        return Err(Error::layout(operation, argument, "is written, so it must be row-major"));
    }
    if !tensor.is_exclusive() {
        let why = "is written, but its memory is shared with another tensor";
        return Err(Error::layout(operation, argument, why));
    }
    Ok(())
}

/// The widest word that rows of so many bytes are made of, from tensors that start at these bytes: 16, 4 or 1.
fn word(row: usize, starts: impl IntoIterator<Item = usize>) -> usize {
    let starts: Vec<usize> = starts.into_iter().collect();
    let fits =
        |word: usize| row.is_multiple_of(word) && starts.iter().all(|start| start.is_multiple_of(word));
    [16, 4, 1].into_iter().find(|&word| fits(word)).unwrap_or(1)
}

/// Where a tensor starts in its memory, in bytes.
fn start(tensor: &Tensor) -> usize {
    tensor.layout().offset() * tensor.dtype().size()
}

/// The type of a word of so many bytes, for bodies.
const WORDS: &str = "template <int BYTES> struct Word { using type = uint4; };
template <> struct Word<4> { using type = uint; };
template <> struct Word<1> { using type = uchar; };
";
