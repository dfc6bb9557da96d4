//! Reads sequences out of a paged cache into rows of equal length, tokens or heads first.
//!
//! # Math
//! `out[b, t] = cache[table[b, t / block], t mod block]` for `t < lengths[b]`, else 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | cache | `[blocks, block, heads, d]` | any strides | f32, f16, bf16, f8e4m3, f8e5m2, i8, u8 |
//! | table | `[b, m]` | row-major | i32 |
//! | lengths | `[b]` | row-major | i32 |
//! | out | `[b, tokens, heads, d]`, or `[b, heads, tokens, d]` heads first | row-major | that of cache |
//!
//! # Numerics
//! Bytes move unchanged; what lies beyond a sequence is zero bytes.
//!
//! # Constraints
//! `tokens <= m block`. A length outside 0 to `tokens`, or a block number that a sequence needs and the cache has not, is an error on the CPU; a GPU,
//! which cannot say so without waiting, takes such a length for the nearest possible one and such a block for zeros. Fewer than 2^31 words of `out` on
//! a GPU.
//!
//! # Sources
//! Block tables as in PagedAttention (Kwon et al., 2023). The two layouts are NHD and HND of FlashInfer, the second that of `[b, h, s, d]` attention.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::cache::{KvGather, kv_gather};
//!
//! let cache = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2, 1, 1])?;
//! let (table, lengths) = (Tensor::from_vec(vec![2i32, 0], [1, 2])?, Tensor::from_vec(vec![3i32], [1])?);
//! let out = kv_gather(&Stream::cpu(), &cache, &table, &lengths, &KvGather { tokens: 4, ..KvGather::default() })?;
//! assert_eq!(out.to_vec::<f32>()?, [5.0, 6.0, 1.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::{DTYPES, extents};
use crate::arguments::check_tensor;

const NAME: &str = "kv_gather";

/// Which axis of the result comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// `[b, tokens, heads, d]`.
    #[default]
    Nhd,
    /// `[b, heads, tokens, d]`.
    Hnd,
}

impl Layout {
    /// From its name: nhd, hnd.
    pub(in crate::cache) fn of(operation: &'static str, name: &str) -> Result<Self> {
        match name {
            "nhd" => Ok(Layout::Nhd),
            "hnd" => Ok(Layout::Hnd),
            other => Err(Error::range(operation, "layout", "nhd or hnd", other)),
        }
    }
}

/// Arguments of [`kv_gather`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KvGather {
    /// Tokens of each sequence in the result. Default 0.
    pub tokens: usize,
    /// Tokens first or heads first. Default tokens.
    pub layout: Layout,
}

pub(in crate::cache) struct Plan {
    pub(in crate::cache) sequences: usize,
    pub(in crate::cache) tokens: usize,
    pub(in crate::cache) blocks: usize,
    pub(in crate::cache) block: usize,
    pub(in crate::cache) heads: usize,
    /// Bytes of a token's head.
    pub(in crate::cache) row: usize,
    /// Entries of a row of the table.
    pub(in crate::cache) entries: usize,
    pub(in crate::cache) heads_first: bool,
    pub(in crate::cache) out: [usize; 4],
}

impl Plan {
    /// Of a cache of these extents, whose elements have `size` bytes. Fails where the table, the lengths or `tokens` do not fit.
    pub(in crate::cache) fn new(
        operation: &'static str,
        stream: &Stream,
        [blocks, block, heads, d]: [usize; 4],
        [table, lengths]: [&Tensor; 2],
        [tokens, size]: [usize; 2],
        layout: Layout,
    ) -> Result<Self> {
        check_tensor(operation, "table", stream, table, &[DType::I32])?;
        check_tensor(operation, "lengths", stream, lengths, &[DType::I32])?;
        let &[sequences, entries] = table.dims() else {
            return Err(Error::shape(operation, "table", "[b, m]", table.shape()));
        };
        if lengths.dims() != [sequences] {
            return Err(Error::shape(operation, "lengths", format!("[{sequences}]"), lengths.shape()));
        }
        if tokens > entries * block {
            let expected = format!("at most {}, what a row of the table holds", entries * block);
            return Err(Error::range(operation, "tokens", expected, tokens));
        }
        let heads_first = layout == Layout::Hnd;
        let out = if heads_first { [sequences, heads, tokens, d] } else { [sequences, tokens, heads, d] };
        Ok(Plan { sequences, tokens, blocks, block, heads, row: d * size, entries, heads_first, out })
    }
}

/// The first `tokens` tokens of each sequence of `table`. Fails on a shape, dtype, device or (on the CPU) block or length that does not fit.
pub fn kv_gather(
    stream: &Stream,
    cache: &Tensor,
    table: &Tensor,
    lengths: &Tensor,
    args: &KvGather,
) -> Result<Tensor> {
    check_tensor(NAME, "cache", stream, cache, DTYPES)?;
    let (dims, size) = (extents(NAME, "cache", cache)?, cache.dtype().size());
    let plan = Plan::new(NAME, stream, dims, [table, lengths], [args.tokens, size], args.layout)?;
    match stream.device() {
        Device::Cpu => cpu::kv_gather(cache, table, lengths, &plan),
        _ => gpu::kv_gather(stream, cache, table, lengths, &plan),
    }
}
