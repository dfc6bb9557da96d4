//! Writes the latent vectors and rotated keys of new tokens into the slots of a paged latent cache, in place: multi-head latent attention.
//!
//! # Math
//! `cache[s / block, s mod block] = latent[t] followed by rotated[t]` for the slot `s = slots[t]` of each token t; a negative slot is none.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | latent | `[t, r]` | any strides | f32, f16, bf16, f8e4m3, f8e5m2, i8, u8 |
//! | rotated | `[t, p]` | any strides | that of latent |
//! | slots | `[t]` | row-major | i64 |
//! | cache | `[blocks, block, r + p]` | row-major, not shared | that of latent |
//!
//! A token takes r + p numbers for all heads (512 + 64 in DeepSeek-V2), where keys and values of 128 heads of 128 take 32,768.
//! `attention_decode` reads such a cache as one head of keys, `cache.reshape([blocks, block, 1, r + p])`, and of
//! values, the view of its first r columns, by queries into which the caller has multiplied the key's up-projection.
//!
//! # Numerics
//! Bytes move unchanged.
//!
//! # Constraints
//! As [`kv_append`](crate::cache::kv_append()): no slot twice; a slot beyond the cache is an error on the CPU and nothing is written for it on a GPU, where
//! `latent` and `rotated` have fewer than 2^31 words, of at most 65,535 tokens.
//!
//! # Sources
//! DeepSeek-AI, "DeepSeek-V2", 2024, section 2.1 (c of eq. 9 and the decoupled k of eq. 15 side by side, as vLLM's `concat_and_cache_mla`).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::cache::mla_append;
//!
//! let (latent, rotated) = (Tensor::from_vec(vec![1.0f32, 2.0], [1, 2])?, Tensor::from_vec(vec![3.0f32], [1, 1])?);
//! let slots = Tensor::from_vec(vec![1i64], [1])?;
//! let mut cache = Tensor::zeros(DType::F32, [1, 2, 3])?;
//! mla_append(&Stream::cpu(), &latent, &rotated, &slots, &mut cache)?;
//! assert_eq!(cache.to_vec::<f32>()?, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
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

use super::{DTYPES, check_written};
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "mla_append";

/// Writes `latent` and `rotated` side by side into the cache at `slots`. Fails on a shape, dtype, device or (on the CPU) slot that does not fit.
pub fn mla_append(
    stream: &Stream,
    latent: &Tensor,
    rotated: &Tensor,
    slots: &Tensor,
    cache: &mut Tensor,
) -> Result<()> {
    check_tensor(NAME, "latent", stream, latent, DTYPES)?;
    check_tensor(NAME, "slots", stream, slots, &[DType::I64])?;
    for (argument, tensor) in [("rotated", rotated), ("cache", &*cache)] {
        check_device(NAME, argument, stream, tensor)?;
        check_same_dtype(NAME, argument, tensor, latent)?;
    }
    let &[tokens, r] = latent.dims() else {
        return Err(Error::shape(NAME, "latent", "[t, r]", latent.shape()));
    };
    let p = match *rotated.dims() {
        [t, p] if t == tokens => p,
        _ => return Err(Error::shape(NAME, "rotated", format!("[{tokens}, p]"), rotated.shape())),
    };
    if slots.dims() != [tokens] {
        return Err(Error::shape(NAME, "slots", format!("[{tokens}]"), slots.shape()));
    }
    let capacity = match *cache.dims() {
        [blocks, block, width] if width == r + p => blocks * block,
        _ => return Err(Error::shape(NAME, "cache", format!("[blocks, block, {}]", r + p), cache.shape())),
    };
    check_written(NAME, "cache", cache)?;
    match stream.device() {
        Device::Cpu => cpu::mla_append([latent, rotated], slots, capacity, cache),
        _ => gpu::mla_append(stream, [latent, rotated], slots, capacity, cache),
    }
}
