//! Writes the latent vectors and rotated keys of new tokens into the slots of a paged latent cache of small numbers, quantised on the way, in place.
//!
//! # Math
//! As [`mla_append`](crate::cache::mla_append()), of `quantize(latent)` and `quantize(rotated)`: each is a row, whose blocks have a scale each
//! ([`quantize`](crate::pack::quantize())).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | latent | `[t, r]`, r a multiple of the cache's block, of 4 bits even | any strides | f32, f16, bf16 |
//! | rotated | `[t, p]` | any strides | that of latent |
//! | slots | `[t]` | row-major | i64 |
//! | cache | values `[blocks, block, r + p]`, of 4 bits `[.., ceil((r + p) / 2)]`; scales `[.., ceil((r + p) / its block)]` | row-major, not shared | i8, u8 (4 bits), f8e4m3, f8e5m2; f32 |
//!
//! `attention_decode` reads such a cache as one head of keys, `cache.reshape(&[blocks, block, 1, r + p])`, and of values, its `columns(r)`.
//!
//! # Numerics
//! The bytes are those of [`quantize`](crate::pack::quantize()), on every device. A block that holds NaN or an infinity gets a scale of NaN.
//!
//! # Constraints
//! As [`mla_append`](crate::cache::mla_append()) and [`quantize`](crate::pack::quantize()). A block of 0, one scale for all of a token, is refused: latent
//! vector and rotated key differ in size, and would share it.
//!
//! # Sources
//! As [`mla_append`](crate::cache::mla_append()); blocks of the latent vector with scales as DeepSeek's FlashMLA keeps its fp8 cache (128 numbers each).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::cache::mla_append_quantized;
//! use tilewright_kernels::pack::{Quantize, Quantized};
//!
//! let cpu = Stream::cpu();
//! let latent = Tensor::from_vec([vec![1.0f32, -2.0, 0.5], vec![0.0; 13]].concat(), [1, 16])?;
//! let rotated = Tensor::from_vec(vec![127.0f32, 1.0], [1, 2])?;
//! let slots = Tensor::from_vec(vec![1i64], [1])?;
//! let mut cache = Quantized::zeros(&cpu, &[1, 2, 18], &Quantize { block: 16, ..Quantize::default() })?;
//! mla_append_quantized(&cpu, &latent, &rotated, &slots, &mut cache)?;
//! let values = cache.values().to_vec::<i8>()?;
//! assert_eq!((&values[18..21], &values[34..]), (&[64, -127, 32][..], &[127, 1][..]));
//! assert_eq!(cache.scales().to_vec::<f32>()?, [0.0, 0.0, 2.0 / 127.0, 1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::{check_written, mla_append};
use crate::arguments::{check_device, check_same_dtype, check_tensor};
use crate::pack::dequantize::DTYPES;
use crate::pack::{Quantized, quantize};

const NAME: &str = "mla_append_quantized";

/// Writes `latent` and `rotated` side by side into the cache at `slots`. Fails on a shape, dtype, device, block or (on the CPU) slot that does not
/// fit.
pub fn mla_append_quantized(
    stream: &Stream,
    latent: &Tensor,
    rotated: &Tensor,
    slots: &Tensor,
    cache: &mut Quantized,
) -> Result<()> {
    check_tensor(NAME, "latent", stream, latent, DTYPES)?;
    check_tensor(NAME, "slots", stream, slots, &[DType::I64])?;
    check_device(NAME, "rotated", stream, rotated)?;
    check_same_dtype(NAME, "rotated", rotated, latent)?;
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
    if !matches!(*cache.dims(), [_, _, n] if n == r + p) {
        let expected = format!("[blocks, block, {}]", r + p);
        return Err(Error::shape(NAME, "cache", expected, format!("{:?}", cache.dims())));
    }
    let args = *cache.args();
    if args.block == 0 || !r.is_multiple_of(args.block) || (args.bits == 4 && !r.is_multiple_of(2)) {
        let expected = format!("a divisor of the latent vector's {r} numbers, which fill whole bytes");
        return Err(Error::range(NAME, "block of the cache", expected, args.block));
    }
    for part in cache.parts_mut() {
        check_device(NAME, "cache", stream, part)?;
        check_written(NAME, "cache", part)?;
    }
    let (latent, latent_scales) = quantize(stream, latent, &args)?;
    let (rotated, rotated_scales) = quantize(stream, rotated, &args)?;
    let [values, scales] = cache.parts_mut();
    mla_append(stream, &latent, &rotated, slots, values).map_err(|why| why.within(NAME))?;
    mla_append(stream, &latent_scales, &rotated_scales, slots, scales).map_err(|why| why.within(NAME))
}
