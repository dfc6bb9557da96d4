//! Attention of one new token a sequence over a paged cache: grouped heads, soft cap, sliding window, split over the sequence.
//!
//! # Math
//! As [`attention`](crate::attention::attention()), over the tokens j of a sequence that the query, at place `lengths[b] - 1`, sees:
//! `k_j = k_cache[table[b, j / block], j mod block]`, `v_j` likewise.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q | `[b, nh, d]` | any strides | f32, f16, bf16 |
//! | k_cache, v_cache | `[blocks, block, kvh, d]`, `[blocks, block, kvh, dv]`, kvh a divisor of nh | rows of d at any one distance, others are copied | that of q, or [`Quantized`] |
//! | table | `[b, m]` | row-major | i32 |
//! | lengths | `[b]` | row-major | i32 |
//! | out | `[b, nh, dv]` | row-major | that of q |
//! | lse | `[b, nh]` | row-major | f32 |
//!
//! # Numerics
//! As in `attention`. A sequence is split into parts that are read side by side and then merged by their logarithms; how many depends on the sizes
//! of the tensors and the device, never on the lengths, so that the bits of a result do not change with what else is in a batch of the same shape.
//! Slots beyond a sequence are never read, whatever they hold. Small numbers are multiplied by their scales in f32 as they are read; keys and values
//! may have formats of their own.
//!
//! Of a latent cache `[blocks, block, r + p]` (`mla_append`) the keys are its one head of r + p columns, and the values the
//! view of the first r: rows that lie further apart than they are long are read in place. So is a quantised one (`mla_append_quantized`):
//! `cache.reshape(&[blocks, block, 1, r + p])` and, of that, `columns(r)`.
//!
//! # Constraints
//! `d >= 1`. A length outside 0 to `m block`, or a block number that a sequence needs and the cache has not, is an error on the CPU; a GPU, which cannot
//! say so without waiting, takes such a length for the nearest possible one and leaves such a block's tokens out. On a GPU: d up to 576 and dv up
//! to 512, fewer than 2^31 slots.
//!
//! # Sources
//! Kwon et al., "PagedAttention", 2023 (block tables); Dao et al., "Flash-Decoding for long-context inference", 2023 (the split).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::attention::{AttentionDecode, attention_decode};
//!
//! // Three tokens in blocks of two: block 1, then block 0.
//! let cache = Tensor::from_vec(vec![9.0f32, f32::NAN, 3.0, 6.0], [2, 2, 1, 1])?;
//! let (table, lengths) = (Tensor::from_vec(vec![1i32, 0], [1, 2])?, Tensor::from_vec(vec![3i32], [1])?);
//! let q = Tensor::from_vec(vec![0.0f32], [1, 1, 1])?;
//! let read = attention_decode(&Stream::cpu(), &q, &cache, &cache, &table, &lengths, &AttentionDecode::default())?;
//! assert_eq!(read.out.to_vec::<f32>()?, [6.0]);
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

use super::{Attended, DTYPES, Scores, check_heads};
use crate::arguments::{check_device, check_same_dtype, check_tensor};
use crate::pack::Quantized;

const NAME: &str = "attention_decode";

/// A paged cache of keys or of values.
#[derive(Debug, Clone, Copy)]
pub enum Paged<'a> {
    /// Of the queries' dtype.
    Plain(&'a Tensor),
    /// Of small numbers.
    Quantized(&'a Quantized),
}

impl<'a> From<&'a Tensor> for Paged<'a> {
    fn from(x: &'a Tensor) -> Self {
        Paged::Plain(x)
    }
}

impl<'a> From<&'a Quantized> for Paged<'a> {
    fn from(x: &'a Quantized) -> Self {
        Paged::Quantized(x)
    }
}

impl Paged<'_> {
    /// Its extents `[blocks, block, kvh, d]`. Fails on another rank, a dtype that is not that of `q`, or another device.
    fn check(self, stream: &Stream, name: &'static str, q: &Tensor) -> Result<[usize; 4]> {
        let dims = match self {
            Paged::Plain(x) => {
                check_tensor(NAME, name, stream, x, DTYPES)?;
                check_same_dtype(NAME, name, x, q)?;
                x.dims().to_vec()
            }
            Paged::Quantized(x) => {
                check_device(NAME, name, stream, x.values())?;
                x.dims()
            }
        };
        let four = "[blocks, block, kvh, d]";
        dims.as_slice().try_into().map_err(|_| Error::shape(NAME, name, four, format!("{dims:?}")))
    }
}

/// Elements from one row of a cache to the next, where all rows lie so far apart and each is whole.
fn pitch(x: &Tensor) -> Option<usize> {
    let (&[blocks, block, heads, d], &[s0, s1, s2, s3]) = (x.dims(), x.strides()) else { return None };
    let pitch = match (heads > 1, block > 1, blocks > 1) {
        (true, ..) => s2,
        (_, true, _) => s1,
        (_, _, true) => s0,
        _ => d,
    };
    let fits = |extent: usize, stride: usize, expected: usize| extent <= 1 || stride == expected;
    let all = fits(d, s3, 1)
        && fits(heads, s2, pitch)
        && fits(block, s1, heads * pitch)
        && fits(blocks, s0, block * heads * pitch);
    all.then_some(pitch)
}

/// Arguments of [`attention_decode`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AttentionDecode {
    /// Of the products. Default 1 / sqrt(d).
    pub scale: Option<f32>,
    /// The cap of the scores; 0 is none. Default 0.
    pub soft_cap: f32,
    /// How many of the last tokens are seen; 0 is all. Default 0.
    pub window: usize,
    /// How many of the first tokens are seen beside the window. Default 0.
    pub keep: usize,
    /// Parts that a sequence is split into; 0 is as many as keep the device busy. Default 0.
    pub splits: usize,
}

struct Plan {
    b: usize,
    heads: usize,
    kv_heads: usize,
    d: usize,
    dv: usize,
    blocks: usize,
    block: usize,
    /// Entries of a row of the table.
    entries: usize,
    splits: usize,
    scores: Scores,
}

impl Plan {
    /// Query heads of one head of keys.
    fn group(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// Tokens that a row of the table has room for.
    fn capacity(&self) -> usize {
        self.entries * self.block
    }
}

/// What the new token of each sequence reads. Fails on a shape, dtype, device or number that does not fit; on the CPU on a block or length too.
pub fn attention_decode<'a>(
    stream: &Stream,
    q: &Tensor,
    k_cache: impl Into<Paged<'a>>,
    v_cache: impl Into<Paged<'a>>,
    table: &Tensor,
    lengths: &Tensor,
    args: &AttentionDecode,
) -> Result<Attended> {
    decode(stream, q, [k_cache.into(), v_cache.into()], table, lengths, args)
}

fn decode(
    stream: &Stream,
    q: &Tensor,
    caches: [Paged<'_>; 2],
    table: &Tensor,
    lengths: &Tensor,
    args: &AttentionDecode,
) -> Result<Attended> {
    check_tensor(NAME, "q", stream, q, DTYPES)?;
    let [k_dims, v_dims] = [caches[0].check(stream, "k_cache", q)?, caches[1].check(stream, "v_cache", q)?];
    check_tensor(NAME, "table", stream, table, &[DType::I32])?;
    check_tensor(NAME, "lengths", stream, lengths, &[DType::I32])?;
    let &[b, heads, d] = q.dims() else {
        return Err(Error::shape(NAME, "q", "[b, nh, d]", q.shape()));
    };
    if d == 0 {
        return Err(Error::shape(NAME, "q", "[b, nh, d] with d >= 1", q.shape()));
    }
    let [blocks, block, kv_heads, kd] = k_dims;
    if kd != d {
        let expected = format!("[blocks, block, kvh, {d}]");
        return Err(Error::shape(NAME, "k_cache", expected, format!("{k_dims:?}")));
    }
    check_heads(NAME, q, heads, kv_heads)?;
    let dv = v_dims[3];
    if v_dims[..3] != k_dims[..3] {
        let expected = format!("[{blocks}, {block}, {kv_heads}, dv]");
        return Err(Error::shape(NAME, "v_cache", expected, format!("{v_dims:?}")));
    }
    let entries = match *table.dims() {
        [tb, entries] if tb == b => entries,
        _ => return Err(Error::shape(NAME, "table", format!("[{b}, m]"), table.shape())),
    };
    if lengths.dims() != [b] {
        return Err(Error::shape(NAME, "lengths", format!("[{b}]"), lengths.shape()));
    }
    let scores = Scores::new(NAME, args.scale, args.soft_cap, [args.window, args.keep], d)?;
    let plan = Plan { b, heads, kv_heads, d, dv, blocks, block, entries, splits: args.splits, scores };
    match stream.device() {
        Device::Cpu => cpu::attention_decode(q, caches, table, lengths, &plan),
        _ => gpu::attention_decode(stream, q, caches, table, lengths, &plan),
    }
}
