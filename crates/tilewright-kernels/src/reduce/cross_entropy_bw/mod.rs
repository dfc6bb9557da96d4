//! The gradient of [`cross_entropy`](super::cross_entropy()), straight from the logits.
//!
//! # Math
//! ```text
//! dlogits[.., j] = dloss[..] (exp(logits[.., j] - m) / sum over l of exp(logits[.., l] - m) - [j = target[..]]),  m = max over l of logits[.., l]
//! ```
//! and 0 where target < 0.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dloss | `[..]` | any strides | f32; f64 for f64 |
//! | logits | `[.., n]`, at least 1 axis | any strides | f32, f16, bf16; f64 on the CPU |
//! | target | `[..]` | any strides | i64 |
//! | dlogits | `[.., n]` | row-major | as logits |
//!
//! # Numerics
//! Two passes over the logits, and no probabilities kept in between: the running maximum and sum, then the gradient. Computed in f32 (f64 for f64) and
//! rounded once. Rows whose loss is NaN have a gradient of NaN. Deterministic.
//!
//! # Constraints
//! A target >= n is an error on the CPU, and a gradient of NaN on a GPU. f64 is refused by every GPU.
//!
//! # Sources
//! The derivative of the formula of [`cross_entropy`](super::cross_entropy()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::cross_entropy_bw;
//! let logits = Tensor::from_vec(vec![0.0f32, 3f32.ln()], [1, 2])?;
//! let (dloss, target) = (Tensor::from_vec(vec![1.0f32], [1])?, Tensor::from_vec(vec![1i64], [1])?);
//! let by = cross_entropy_bw(&Stream::cpu(), &dloss, &logits, &target)?.to_vec::<f32>()?;
//! assert!((by[0] - 0.25).abs() < 1e-6 && (by[1] + 0.25).abs() < 1e-6);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use crate::arguments::check_tensor;
use crate::reduce::cross_entropy::{check, loss_dtype};

const NAME: &str = "cross_entropy_bw";

/// The gradient by `logits`, given `dloss`, the gradient by each row's loss.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; on the CPU a target beyond the row; f64 on a GPU.
pub fn cross_entropy_bw(stream: &Stream, dloss: &Tensor, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
    let rows = check(NAME, stream, logits, target)?;
    check_tensor(NAME, "dloss", stream, dloss, &[loss_dtype(logits.dtype())])?;
    if dloss.dims() != target.dims() {
        return Err(Error::shape(NAME, "dloss", format!("{} as target", target.shape()), dloss.shape()));
    }
    match stream.device() {
        Device::Cpu => cpu::cross_entropy_bw(&rows, dloss, target),
        _ => gpu::cross_entropy_bw(stream, &rows, dloss, target),
    }
}
