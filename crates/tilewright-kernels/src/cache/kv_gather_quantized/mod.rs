//! Reads the tokens of sequences from a paged cache of small numbers, as floats in a row.
//!
//! # Math
//! As [`kv_gather`](crate::cache::kv_gather()), of value * scale: `out[b, t] = values[s] scales[s]` with the scale of each value's block and
//! `s = table[b, t / block], t mod block`, for t < lengths`[b]`, else 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | cache | values `[blocks, block, heads, d]`, of 4 bits `[.., ceil(d / 2)]`; scales `[.., ceil(d / its block)]` | row-major, others are copied | i8, u8 (4 bits), f8e4m3, f8e5m2; f32 |
//! | table | `[b, m]` | row-major | i32 |
//! | lengths | `[b]` | row-major | i32 |
//! | out | `[b, tokens, heads, d]`, or `[b, heads, tokens, d]` heads first | row-major | f32, f16, bf16 |
//!
//! # Numerics
//! As [`dequantize`](crate::pack::dequantize()): the product in f32, rounded to the dtype of `out`. What lies beyond a sequence is zero.
//!
//! # Constraints
//! As [`kv_gather`](crate::cache::kv_gather()); fewer than 2^31 elements of `out` on a GPU.
//!
//! # Sources
//! As [`kv_append_quantized`](crate::cache::kv_append_quantized()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::cache::{KvGatherQuantized, kv_gather_quantized};
//! use tilewright_kernels::pack::{Quantize, Quantized};
//!
//! let values = Tensor::from_vec(vec![1i8, 2, 3, 4, 5, 6], [3, 2, 1, 1])?;
//! let scales = Tensor::from_vec(vec![0.5f32; 6], [3, 2, 1, 1])?;
//! let cache = Quantized::new(values, scales, 1, Quantize { block: 0, ..Quantize::default() })?;
//! let (table, lengths) = (Tensor::from_vec(vec![2i32, 0], [1, 2])?, Tensor::from_vec(vec![3i32], [1])?);
//! let args = KvGatherQuantized { tokens: 4, ..KvGatherQuantized::default() };
//! let out = kv_gather_quantized(&Stream::cpu(), &cache, &table, &lengths, &args)?;
//! assert_eq!(out.to_vec::<f32>()?, [2.5, 3.0, 0.5, 0.0]);
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

use super::kv_gather::{Layout, Plan};
use crate::arguments::{check_device, check_dtype};
use crate::pack::Quantized;
use crate::pack::dequantize::DTYPES;

const NAME: &str = "kv_gather_quantized";

/// Arguments of [`kv_gather_quantized`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvGatherQuantized {
    /// Tokens of each sequence in the result. Default 0.
    pub tokens: usize,
    /// Tokens first or heads first. Default tokens.
    pub layout: Layout,
    /// The dtype of the result. Default f32.
    pub dtype: DType,
}

impl Default for KvGatherQuantized {
    fn default() -> Self {
        Self { tokens: 0, layout: Layout::Nhd, dtype: DType::F32 }
    }
}

/// The first `tokens` tokens of each sequence of `table`. Fails on a shape, dtype, device or (on the CPU) block or length that does not fit.
pub fn kv_gather_quantized(
    stream: &Stream,
    cache: &Quantized,
    table: &Tensor,
    lengths: &Tensor,
    args: &KvGatherQuantized,
) -> Result<Tensor> {
    check_device(NAME, "cache", stream, cache.values())?;
    check_dtype(NAME, "dtype", args.dtype, DTYPES)?;
    let Ok(dims) = <[usize; 4]>::try_from(cache.dims()) else {
        let got = format!("{:?}", cache.dims());
        return Err(Error::shape(NAME, "cache", "[blocks, block, heads, d]", got));
    };
    let plan = Plan::new(NAME, stream, dims, [table, lengths], [args.tokens, 1], args.layout)?;
    match stream.device() {
        Device::Cpu => cpu::kv_gather_quantized(stream, cache, table, lengths, args),
        _ => gpu::kv_gather_quantized(stream, cache, table, lengths, &plan, args.dtype),
    }
}
