//! Layer norm of each head by itself, with a weight per element and no bias.
//!
//! # Math
//! ```text
//! out = (x - mean(x)) r w,  r = (mean((x - mean(x))^2) + eps)^-1/2      means over a row
//! out = sigma(gate) (x - mean(x)) r w                                   where there is a gate
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., nh, n]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | weight | `[nh, n]` | any strides | as x |
//! | gate | as x | any strides | as x |
//! | out | as x | row-major | as x |
//!
//! # Numerics
//! Sums and results are computed in f32 (f64 for f64) and rounded once, in two passes: the mean, then the mean square of what is left, so that nothing
//! cancels but x and its mean. Squares must stay in range: |x| below 1e19 in f32. A row with NaN is NaN. Deterministic.
//! The tolerance follows from an error analysis of the row (`truth.rs`).
//!
//! # Constraints
//! Any extents, 0 included. f64 is refused by every GPU.
//!
//! # Sources
//! Ba, Kiros, Hinton, Layer normalization, arXiv 1607.06450, equation 3, without a bias; head by head as in Beck et al., xLSTM 7B, arXiv 2503.13427, section 3.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::norm::{Norm, multi_head_layer_norm};
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [1, 1, 2])?;
//! let weight = Tensor::from_vec(vec![1.0f32, 2.0], [1, 2])?;
//! let out = multi_head_layer_norm(&Stream::cpu(), &x, &weight, &Norm { eps: 0.0 })?;
//! assert_eq!(out.to_vec::<f32>()?, [-1.0, 2.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::rows::{Kind, Rows};
use super::{Norm, device, host};

const NAME: &str = "multi_head_layer_norm";

/// The norm of each row of `x`.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; eps negative or not finite; f64 on a GPU.
pub fn multi_head_layer_norm(stream: &Stream, x: &Tensor, weight: &Tensor, args: &Norm) -> Result<Tensor> {
    run(stream, &Rows::new(NAME, Kind::Heads, stream, x, weight, args)?)
}

/// The norm of each row of `x`, times the sigmoid of `gate`, in one pass: what leaves an mLSTM or sLSTM.
///
/// # Errors
/// As [`multi_head_layer_norm()`]; and a gate that is not of the shape and dtype of x.
pub fn multi_head_layer_norm_gated(
    stream: &Stream,
    x: &Tensor,
    weight: &Tensor,
    gate: &Tensor,
    args: &Norm,
) -> Result<Tensor> {
    run(stream, &Rows::new(NAME, Kind::Heads, stream, x, weight, args)?.gated(stream, gate)?)
}

fn run(stream: &Stream, rows: &Rows<'_>) -> Result<Tensor> {
    match stream.device() {
        Device::Cpu => host::forward(rows),
        _ => device::forward(stream, rows),
    }
}
