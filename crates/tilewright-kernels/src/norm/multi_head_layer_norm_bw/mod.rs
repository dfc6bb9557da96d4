//! Gradients of [`multi_head_layer_norm`](super::multi_head_layer_norm()).
//!
//! # Math
//! With `y = (x - mean(x)) r`, `r = (mean((x - mean(x))^2) + eps)^-1/2`, means over a row, and `g = dy w`:
//! ```text
//! dx = r (g - mean(g) - y mean(g y))
//! dw = sum of dy y over all rows of a head
//! ```
//! Through a gate, `dy sigma(gate)` stands in the place of dy in all of these, and
//! ```text
//! dgate = dy y w sigma(gate) sigma(-gate)
//! ```
//! With sigma(-gate) in the place of 1 - sigma(gate), nothing cancels.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy, x | `[.., nh, n]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | weight | `[nh, n]` | any strides | as dy |
//! | gate | as x | any strides | as dy |
//! | dx, dgate | as x | row-major | as dy |
//! | dw | as weight | row-major | as dy |
//!
//! # Numerics
//! Sums and results are computed in f32 (f64 for f64) and rounded once. r, and what a gate let through, are computed again, so nothing has to be kept. The gradient of the weights adds
//! up blocks of tokens, then the blocks in their order; how long a block is depends on the number of tokens alone. Deterministic, without atomics. NaN in a row
//! is NaN in its gradient, and in that of the weights.
//!
//! # Constraints
//! Any extents, 0 included. f64 is refused by every GPU.
//!
//! # Sources
//! Ba, Kiros, Hinton, Layer normalization, arXiv 1607.06450, equation 3, without a bias; head by head as in Beck et al., xLSTM 7B, arXiv 2503.13427, section 3. The gradients are derived here, and judged by central differences.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::norm::{Norm, multi_head_layer_norm_bw};
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [1, 1, 2])?;
//! let weight = Tensor::from_vec(vec![1.0f32, 2.0], [1, 2])?;
//! let dy = Tensor::from_vec(vec![1.0f32, 2.0], [1, 1, 2])?;
//! let by = multi_head_layer_norm_bw(&Stream::cpu(), &dy, &x, &weight, &Norm::default())?;
//! assert!(by.x.to_vec::<f32>()?.iter().all(|dx| dx.abs() < 1e-4)); // but for eps, the norm of two elements is (1, -1) or (-1, 1)
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::rows::{Kind, Rows};
use super::{Norm, NormGradients, device, host};

const NAME: &str = "multi_head_layer_norm_bw";

/// The gradients by `x` and `weight`, given `dy`, the gradient by the output.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; eps negative or not finite; f64 on a GPU.
pub fn multi_head_layer_norm_bw(
    stream: &Stream,
    dy: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    args: &Norm,
) -> Result<NormGradients> {
    run(stream, &Rows::new(NAME, Kind::Heads, stream, x, weight, args)?, dy)
}

/// The gradients by `x`, `weight` and `gate` of [`multi_head_layer_norm_gated`](super::multi_head_layer_norm_gated()), in one pass over the rows.
///
/// # Errors
/// As [`multi_head_layer_norm_bw()`]; and a gate that is not of the shape and dtype of x.
pub fn multi_head_layer_norm_gated_bw(
    stream: &Stream,
    dy: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    gate: &Tensor,
    args: &Norm,
) -> Result<NormGradients> {
    run(stream, &Rows::new(NAME, Kind::Heads, stream, x, weight, args)?.gated(stream, gate)?, dy)
}

fn run(stream: &Stream, rows: &Rows<'_>, dy: &Tensor) -> Result<NormGradients> {
    rows.check_gradient(stream, dy)?;
    match stream.device() {
        Device::Cpu => host::backward(rows, dy),
        _ => device::backward(stream, rows, dy),
    }
}
