//! Changes logits before a draw: penalties for tokens that came before, biases, and which tokens are allowed.
//!
//! # Math
//! With c(j) the count of token j among the last `window` entries of its row of `history`, and repetition, frequency and presence p0, p1, p2:
//! out(j) = z(j) f - p1 c(j) + bias(j) - p2 [c(j) > 0], where f = 1 where c(j) = 0, else 1 / p0 where z(j) > 0, else p0; minus infinity where the
//! mask's bit of j is 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | logits | `[r, v]` | any strides | f32, f16, bf16 |
//! | penalties | `[r, 3]`: repetition (> 0; 1 is none), frequency, presence (0 is none) | row-major | f32 |
//! | history | `[r, h]`, a negative entry is none | row-major | i32 |
//! | bias_tokens, biases | `[r, m]`, a negative token is none, no token twice in a row | row-major | i32, f32 |
//! | mask | `[r, ceil(v / 32)]`, bit j mod 32 of word j / 32 | row-major | u32 |
//! | out | `[r, v]` | row-major | f32 |
//!
//! # Numerics
//! In f32: two fused multiply-adds, so that every device gives the same bits (1 / p0 and the difference of bias and presence are rounded once each).
//! A minimal number of tokens is a bias of minus infinity on the ids that end a text, for as long as it lasts.
//!
//! # Constraints
//! Tokens beyond v, a token that has two biases, and a repetition penalty that is not above 0 are errors on the CPU; a GPU, which cannot say so without
//! waiting, leaves such tokens out and takes any of the biases. At most 65,535 rows on a GPU.
//!
//! # Sources
//! Repetition: Keskar et al., "CTRL", 2019, with the sign rule of Hugging Face transformers; frequency and presence as OpenAI's API defines them. The
//! mask has the bits of xgrammar's.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::sample::{Penalize, penalize};
//!
//! let logits = Tensor::from_vec(vec![2.0f32, 2.0, -2.0, 1.0], [1, 4])?;
//! let penalties = Tensor::from_vec(vec![2.0f32, 0.5, 0.25], [1, 3])?;
//! let history = Tensor::from_vec(vec![1i32, 2, 1], [1, 3])?;
//! let (tokens, biases) = (Tensor::from_vec(vec![3i32], [1, 1])?, Tensor::from_vec(vec![10.0f32], [1, 1])?);
//! let out = penalize(&Stream::cpu(), &logits, &penalties, &history, &tokens, &biases, None, &Penalize::default())?;
//! assert_eq!(out.to_vec::<f32>()?, [2.0, -0.25, -4.75, 11.0]);
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

const NAME: &str = "penalize";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Arguments of [`penalize`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Penalize {
    /// How many of the last entries of the history count; 0 is all. Default 0.
    pub window: usize,
}

/// The tensors of a call.
struct Inputs<'a> {
    logits: &'a Tensor,
    penalties: &'a Tensor,
    /// The entries that count.
    history: Tensor,
    tokens: &'a Tensor,
    biases: &'a Tensor,
    mask: Option<&'a Tensor>,
    rows: usize,
    n: usize,
}

/// The changed logits. Fails on a shape, dtype or device that does not fit; on the CPU on numbers too.
#[expect(clippy::too_many_arguments, reason = "each tensor is one of a row's independent settings")]
pub fn penalize(
    stream: &Stream,
    logits: &Tensor,
    penalties: &Tensor,
    history: &Tensor,
    bias_tokens: &Tensor,
    biases: &Tensor,
    mask: Option<&Tensor>,
    args: &Penalize,
) -> Result<Tensor> {
    check_tensor(NAME, "logits", stream, logits, DTYPES)?;
    check_tensor(NAME, "penalties", stream, penalties, &[DType::F32])?;
    check_tensor(NAME, "history", stream, history, &[DType::I32])?;
    check_tensor(NAME, "bias_tokens", stream, bias_tokens, &[DType::I32])?;
    check_tensor(NAME, "biases", stream, biases, &[DType::F32])?;
    let &[rows, n] = logits.dims() else {
        return Err(Error::shape(NAME, "logits", "[r, v]", logits.shape()));
    };
    if n > i32::MAX as usize {
        return Err(Error::shape(NAME, "logits", "[r, v] with v < 2^31", logits.shape()));
    }
    let fits = |argument: &'static str, tensor: &Tensor, columns: Option<usize>| match *tensor.dims() {
        [r, m] if r == rows && columns.is_none_or(|columns| columns == m) => Ok(m),
        _ => {
            let columns = columns.map_or("m".to_owned(), |columns| columns.to_string());
            Err(Error::shape(NAME, argument, format!("[{rows}, {columns}]"), tensor.shape()))
        }
    };
    fits("penalties", penalties, Some(3))?;
    let entries = fits("history", history, None)?;
    let biased = fits("bias_tokens", bias_tokens, None)?;
    fits("biases", biases, Some(biased))?;
    if let Some(mask) = mask {
        check_tensor(NAME, "mask", stream, mask, &[DType::U32])?;
        fits("mask", mask, Some(n.div_ceil(32)))?;
    }
    let window = if args.window == 0 { entries } else { args.window.min(entries) };
    let history = history.slice(1, entries - window..entries)?;
    let inputs = Inputs { logits, penalties, history, tokens: bias_tokens, biases, mask, rows, n };
    match stream.device() {
        Device::Cpu => cpu::penalize(&inputs),
        _ => gpu::penalize(stream, &inputs),
    }
}
