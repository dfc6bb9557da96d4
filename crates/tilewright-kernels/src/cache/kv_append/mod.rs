//! Writes new keys and values into the slots of a paged cache, in place.
//!
//! # Math
//! `k_cache[s / block, s mod block] = k[t]`, v_cache alike, for the slot `s = slots[t]` of each token t; a negative slot is none.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | k | `[t, heads, dk]` | any strides | f32, f16, bf16, f8e4m3, f8e5m2, i8, u8 |
//! | v | `[t, heads, dv]` | any strides | any of these |
//! | slots | `[t]` | row-major | i64 |
//! | k_cache, v_cache | `[blocks, block, heads, dk]`, `[blocks, block, heads, dv]` | row-major, not shared | those of k and v |
//!
//! # Numerics
//! Bytes move unchanged.
//!
//! # Constraints
//! No slot twice: which of the tokens stays is then open. A slot beyond the cache is an error that names it on the CPU; a GPU, which cannot say so
//! without waiting, writes nothing for it. Fewer than 2^31 words in `k` and `v` on a GPU.
//!
//! # Sources
//! Slots as in vLLM's `reshape_and_cache_flash`: Kwon et al., "Efficient memory management for large language model serving with PagedAttention", 2023.
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::cache::kv_append;
//!
//! let k = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 1, 2])?;
//! let slots = Tensor::from_vec(vec![3i64, -1], [2])?;
//! let mut keys = Tensor::zeros(DType::F32, [2, 2, 1, 2])?;
//! let mut values = Tensor::zeros(DType::F32, [2, 2, 1, 2])?;
//! kv_append(&Stream::cpu(), &k, &k, &slots, &mut keys, &mut values)?;
//! assert_eq!(keys.to_vec::<f32>()?, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
pub(super) mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::{DTYPES, check_written, extents};
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "kv_append";

/// Writes `k` and `v` into the caches at `slots`. Fails on a shape, dtype, device or (on the CPU) slot that does not fit.
pub fn kv_append(
    stream: &Stream,
    k: &Tensor,
    v: &Tensor,
    slots: &Tensor,
    k_cache: &mut Tensor,
    v_cache: &mut Tensor,
) -> Result<()> {
    check_tensor(NAME, "k", stream, k, DTYPES)?;
    check_tensor(NAME, "slots", stream, slots, &[DType::I64])?;
    let &[tokens, heads, _] = k.dims() else {
        return Err(Error::shape(NAME, "k", "[t, heads, d]", k.shape()));
    };
    match v.dims() {
        &[t, h, _] if (t, h) == (tokens, heads) => (),
        _ => return Err(Error::shape(NAME, "v", format!("[{tokens}, {heads}, d]"), v.shape())),
    }
    if slots.dims() != [tokens] {
        return Err(Error::shape(NAME, "slots", format!("[{tokens}]"), slots.shape()));
    }
    let [blocks, block, ..] = extents(NAME, "k_cache", k_cache)?;
    check_tensor(NAME, "v", stream, v, DTYPES)?;
    for (argument, cache, source) in [("k_cache", &*k_cache, k), ("v_cache", &*v_cache, v)] {
        check_device(NAME, argument, stream, cache)?;
        check_same_dtype(NAME, argument, cache, source)?;
    }
    for (argument, cache, source) in [("k_cache", &mut *k_cache, k), ("v_cache", &mut *v_cache, v)] {
        let expected = [blocks, block, heads, source.dims()[2]];
        if cache.dims() != expected {
            return Err(Error::shape(NAME, argument, format!("{expected:?}"), cache.shape()));
        }
        check_written(NAME, argument, cache)?;
    }
    match stream.device() {
        Device::Cpu => cpu::kv_append(k, v, slots, blocks * block, k_cache, v_cache),
        _ => gpu::kv_append(stream, k, v, slots, k_cache, v_cache),
    }
}
