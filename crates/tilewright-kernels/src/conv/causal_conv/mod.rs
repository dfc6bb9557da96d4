//! A short filter over time for each channel, which sees the past alone.
//!
//! # Math
//! ```text
//! out[b, t, j] = bias[j] + sum over k < w of weight[j, k] x[b, t - (w - 1) + k, j]
//! ```
//! The last tap is the present. What lies before the first token is `state`, the last w - 1 tokens of what came before, or zeros.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[b, s, d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | weight | `[d, w]`, w from 1 to 8 | any strides | as x |
//! | bias | `[d]`, optional | any strides | as x |
//! | state | `[b, w - 1, d]`, optional | any strides | as x |
//! | out | `[b, s, d]` | row-major | as x |
//!
//! # Numerics
//! Summed in f32 (f64 for f64), from the oldest tap to the newest and then the bias, and rounded once: w + 1 roundings. A text in pieces, each with the state of
//! the one before, has the bits of the whole text. Deterministic.
//!
//! # Constraints
//! Any b, s and d, 0 included. f64 is refused by every GPU.
//!
//! # Sources
//! Beck et al., xLSTM, arXiv 2405.04517, figure 10: width 4 before queries and keys. Gu, Dao, Mamba, arXiv 2312.00752, section 3.4.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::conv::{CausalConvInputs, causal_conv};
//! let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [1, 3, 1])?;
//! let weight = Tensor::from_vec(vec![10.0f32, 1.0], [1, 2])?;
//! let inputs = CausalConvInputs { x: &x, weight: &weight, bias: None, state: None };
//! assert_eq!(causal_conv(&Stream::cpu(), &inputs)?.to_vec::<f32>()?, [1.0, 12.0, 23.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

pub(super) mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;
pub(super) use cpu::{Add, taps, widened};
pub(super) use gpu::{definition, launch};

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::WIDEST;
use crate::arguments::{check_device, check_same_dtype, check_tensor, only_variant};

const NAME: &str = "causal_conv";
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// What [`causal_conv()`] and its gradient take.
#[derive(Debug, Clone, Copy)]
pub struct CausalConvInputs<'a> {
    /// `[b, s, d]`.
    pub x: &'a Tensor,
    /// `[d, w]`, the last tap the present.
    pub weight: &'a Tensor,
    /// `[d]`.
    pub bias: Option<&'a Tensor>,
    /// The last w - 1 tokens before x, `[b, w - 1, d]`; `None` is zeros.
    pub state: Option<&'a Tensor>,
}

/// The extents, once the inputs have been checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extents {
    pub(super) b: usize,
    pub(super) s: usize,
    pub(super) d: usize,
    pub(super) w: usize,
}

/// Each channel of `x` through its filter.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; more than 8 taps, or none; f64 on a GPU.
pub fn causal_conv(stream: &Stream, inputs: &CausalConvInputs<'_>) -> Result<Tensor> {
    let extents = check(NAME, stream, inputs)?;
    match stream.device() {
        Device::Cpu => cpu::causal_conv(&extents, inputs),
        _ => gpu::causal_conv(stream, &extents, inputs),
    }
}

pub(super) fn check(
    operation: &'static str,
    stream: &Stream,
    inputs: &CausalConvInputs<'_>,
) -> Result<Extents> {
    let &CausalConvInputs { x, weight, bias, state } = inputs;
    check_tensor(operation, "x", stream, x, DTYPES)?;
    variants(operation, stream.device(), x.dtype())?;
    let &[b, s, d] = x.dims() else {
        return Err(Error::shape(operation, "x", "[b, s, d]", x.shape()));
    };
    let &[_, w] = weight.dims() else {
        return Err(Error::shape(operation, "weight", format!("[{d}, w]"), weight.shape()));
    };
    if !(1..=WIDEST).contains(&w) {
        return Err(Error::range(operation, "taps of weight", format!("1 to {WIDEST}"), w));
    }
    let shapes: [(&'static str, Option<&Tensor>, &[usize]); 3] =
        [("weight", Some(weight), &[d, w]), ("bias", bias, &[d]), ("state", state, &[b, w - 1, d])];
    for (argument, tensor, shape) in shapes {
        let Some(tensor) = tensor else { continue };
        check_device(operation, argument, stream, tensor)?;
        check_same_dtype(operation, argument, tensor, x)?;
        if tensor.dims() != shape {
            return Err(Error::shape(operation, argument, format!("{shape:?}"), tensor.shape()));
        }
    }
    if stream.device() != Device::Cpu
        && [b * s, b * w, d].iter().any(|&extent| extent > i32::MAX as usize / 8)
    {
        return Err(Error::shape(operation, "x", "fewer than 2^28 tokens, and channels", x.shape()));
    }
    Ok(Extents { b, s, d, w })
}

/// Every dtype on the CPU; f64 on no GPU.
pub(super) fn variants(operation: &'static str, device: Device, dtype: DType) -> Result<Vec<&'static str>> {
    if device != Device::Cpu && dtype == DType::F64 {
        return Err(Error::unsupported(operation, device, "x is f64, and the GPU body computes in f32"));
    }
    Ok(vec![only_variant(device)])
}
