//! Writes new keys and values into the slots of a paged cache of small numbers, quantised on the way, in place.
//!
//! # Math
//! As [`kv_append`](crate::cache::kv_append()), of `quantize(k)` and `quantize(v)`: each head of a token is a row, whose blocks have a scale each
//! ([`quantize`](crate::pack::quantize())); `block` 0 is one scale for the head.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | k | `[t, heads, dk]` | any strides | f32, f16, bf16 |
//! | v | `[t, heads, dv]` | any strides | that of k |
//! | slots | `[t]` | row-major | i64 |
//! | k_cache, v_cache | values `[blocks, block, heads, dk]`, of 4 bits `[.., ceil(dk / 2)]`; scales `[.., ceil(dk / its block)]` | row-major, not shared | i8, u8 (4 bits), f8e4m3, f8e5m2; f32 |
//!
//! Keys and values may be kept in different formats.
//!
//! # Numerics
//! The bytes are those of [`quantize`](crate::pack::quantize()), on every device. A head that holds NaN or an infinity gets scales of NaN.
//!
//! # Constraints
//! As [`kv_append`](crate::cache::kv_append()): no slot twice; a slot beyond the cache is an error on the CPU and nothing is written for it on a GPU. On a
//! GPU blocks of at most 1024 numbers, fewer than 2^31 of them in `k` and `v`.
//!
//! # Sources
//! One scale for a token's head as vLLM's fp8 caches and FlashInfer's have; groups of neighbours as MLX's `QuantizedKVCache` (64 of 8 bits).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::cache::kv_append_quantized;
//! use tilewright_kernels::pack::{Quantize, Quantized};
//!
//! let cpu = Stream::cpu();
//! let k = Tensor::from_vec(vec![1.0f32, -2.0, 0.5, 0.0], [1, 1, 4])?;
//! let slots = Tensor::from_vec(vec![1i64], [1])?;
//! let mut keys = Quantized::zeros(&cpu, &[1, 2, 1, 4], &Quantize { block: 0, ..Quantize::default() })?;
//! let mut values = Quantized::zeros(&cpu, &[1, 2, 1, 4], &Quantize { block: 0, ..Quantize::default() })?;
//! kv_append_quantized(&cpu, &k, &k, &slots, &mut keys, &mut values)?;
//! assert_eq!(keys.values().to_vec::<i8>()?, [0, 0, 0, 0, 64, -127, 32, 0]);
//! assert_eq!(keys.scales().to_vec::<f32>()?, [0.0, 2.0 / 127.0]);
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

use super::{check_written, extents};
use crate::arguments::{check_device, check_same_dtype, check_tensor};
use crate::pack::Quantized;
use crate::pack::dequantize::DTYPES;

const NAME: &str = "kv_append_quantized";

/// Writes `k` and `v` into the caches at `slots`. Fails on a shape, dtype, device or (on the CPU) slot that does not fit.
pub fn kv_append_quantized(
    stream: &Stream,
    k: &Tensor,
    v: &Tensor,
    slots: &Tensor,
    k_cache: &mut Quantized,
    v_cache: &mut Quantized,
) -> Result<()> {
    check_tensor(NAME, "k", stream, k, DTYPES)?;
    check_tensor(NAME, "slots", stream, slots, &[DType::I64])?;
    let &[tokens, heads, dk] = k.dims() else {
        return Err(Error::shape(NAME, "k", "[t, heads, d]", k.shape()));
    };
    check_device(NAME, "v", stream, v)?;
    check_same_dtype(NAME, "v", v, k)?;
    let dv = match *v.dims() {
        [t, h, dv] if (t, h) == (tokens, heads) => dv,
        _ => return Err(Error::shape(NAME, "v", format!("[{tokens}, {heads}, d]"), v.shape())),
    };
    if slots.dims() != [tokens] {
        return Err(Error::shape(NAME, "slots", format!("[{tokens}]"), slots.shape()));
    }
    let [blocks, block, ..] = extents(NAME, "k_cache", k_cache.values())?;
    for (argument, cache, d) in [("k_cache", &mut *k_cache, dk), ("v_cache", &mut *v_cache, dv)] {
        let expected = [blocks, block, heads, d];
        if cache.dims() != expected {
            return Err(Error::shape(NAME, argument, format!("{expected:?}"), format!("{:?}", cache.dims())));
        }
        for part in cache.parts_mut() {
            check_device(NAME, argument, stream, part)?;
            check_written(NAME, argument, part)?;
        }
    }
    match stream.device() {
        Device::Cpu => cpu::kv_append_quantized(stream, k, v, slots, blocks * block, k_cache, v_cache),
        _ => {
            gpu::append(stream, "k", k, slots, k_cache)?;
            gpu::append(stream, "v", v, slots, v_cache)
        }
    }
}
