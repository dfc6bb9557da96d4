//! DRY ("don't repeat yourself"): penalises each token that would go on with a repetition of what stands at the end of its row's text.
//!
//! # Math
//! With the context `c[0], .., c[L - 1]`, the length of a repetition at k, 0 < k < L, is the largest n <= limit such that the n tokens that end the context stand also k places
//! before; the token after it there, `c[L - k]`, is the one that would go on. With n(j) the longest such length for token j, and n(j) >= allowed:
//! `logits[j] -= multiplier * base^(n(j) - allowed)`.
//!
//! A breaker is a sequence of tokens that a repetition may not reach across: with the last of them starting i places before the end (0 is the last token)
//! and t + 1 tokens long, the longest that does, `limit` is i - t; without one it is L. A token that is a breaker by itself is not penalised.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[r, v]`, changed in place | row-major, memory of its own | f32 |
//! | history | `[r, h]`: the tokens so far; negative entries at either end are none | row-major | i32 |
//! | settings | `[r, 4]`: multiplier (0 is off), base (below 1 is off), allowed length, how many of the last tokens count (0 is all) | row-major | f32 |
//! | breakers | `[s, w]`: a sequence a row, filled up with negative entries | row-major | i32 |
//!
//! The context is what follows the last negative entry before the row's last token.
//!
//! # Numerics
//! The power is a product of f32 factors, one after the other, the longest that is finite; its product with the multiplier and the difference are one fused multiply-add. The same
//! bits on every device.
//!
//! # Constraints
//! Tokens beyond v and settings that are negative or NaN are errors on the CPU; a GPU, which cannot say so without waiting, leaves such tokens out and takes such settings for 0.
//!
//! # Sources
//! p-e-w, "DRY: A modern repetition penalty", text-generation-webui PR 5677, and llama.cpp's `llama_sampler_dry` (read for its semantics: which tokens a breaker
//! stops, that the next token is exempt where it is a breaker, that the exponent ends where the power would overflow).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::sample::dry;
//!
//! // After 0 1 2 0 1, token 2 would go on.
//! let mut logits = Tensor::zeros(DType::F32, [1, 4])?;
//! let history = Tensor::from_vec(vec![0i32, 1, 2, 0, 1], [1, 5])?;
//! let settings = Tensor::from_vec(vec![0.8f32, 1.75, 1.0, 0.0], [1, 4])?;
//! let breakers = Tensor::zeros(DType::I32, [0, 1])?;
//! dry(&Stream::cpu(), &mut logits, &history, &settings, &breakers)?;
//! assert_eq!(logits.to_vec::<f32>()?, [0.0, 0.0, -0.8 * 1.75, 0.0]);
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

use crate::arguments::check_tensor;

const NAME: &str = "dry";

/// Subtracts the penalties from `logits`. Fails on a shape, dtype, layout or device that does not fit; on the CPU on numbers too.
pub fn dry(
    stream: &Stream,
    logits: &mut Tensor,
    history: &Tensor,
    settings: &Tensor,
    breakers: &Tensor,
) -> Result<()> {
    check_tensor(NAME, "logits", stream, logits, &[DType::F32])?;
    check_tensor(NAME, "history", stream, history, &[DType::I32])?;
    check_tensor(NAME, "settings", stream, settings, &[DType::F32])?;
    check_tensor(NAME, "breakers", stream, breakers, &[DType::I32])?;
    let &[rows, n] = logits.dims() else {
        return Err(Error::shape(NAME, "logits", "[r, v]", logits.shape()));
    };
    if n > i32::MAX as usize {
        return Err(Error::shape(NAME, "logits", "[r, v] with v < 2^31", logits.shape()));
    }
    match *history.dims() {
        [r, h] if r == rows && h < 1 << 24 => (),
        _ => {
            return Err(Error::shape(NAME, "history", format!("[{rows}, h] with h < 2^24"), history.shape()));
        }
    }
    if settings.dims() != [rows, 4] {
        return Err(Error::shape(NAME, "settings", format!("[{rows}, 4]"), settings.shape()));
    }
    if !matches!(*breakers.dims(), [_, w] if w > 0) {
        return Err(Error::shape(NAME, "breakers", "[s, w] with w > 0", breakers.shape()));
    }
    if !logits.is_contiguous() {
        return Err(Error::layout(NAME, "logits", "is written, so it must be row-major"));
    }
    if !logits.is_exclusive() {
        let why = "is written, but its memory is shared with another tensor";
        return Err(Error::layout(NAME, "logits", why));
    }
    match stream.device() {
        Device::Cpu => cpu::dry(logits, history, settings, breakers),
        _ => gpu::dry(stream, logits, history, settings, breakers),
    }
}
