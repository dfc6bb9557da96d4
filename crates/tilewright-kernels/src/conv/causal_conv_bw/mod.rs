//! Gradients of [`causal_conv`](super::causal_conv()).
//!
//! # Math
//! ```text
//! dx[b, t, j]   = sum over k < w with t + (w - 1) - k < s of weight[j, k] dy[b, t + (w - 1) - k, j]
//! dweight[j, k] = sum over b, t of dy[b, t, j] x[b, t - (w - 1) + k, j]      x before the first token: the state, or 0
//! dbias[j]      = sum over b, t of dy[b, t, j]
//! dstate[b, u, j] = sum over k <= u with u - k < s of weight[j, k] dy[b, u - k, j]      u counts from the oldest token of the state
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy | `[b, s, d]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | x, weight, state | those of the forward form | any strides | as dy |
//! | dx, dweight, dbias | `[b, s, d]`, `[d, w]`, `[d]` | row-major | as dy |
//! | dstate, where there was a state | `[b, w - 1, d]` | row-major | as dy |
//!
//! # Numerics
//! Summed in f32 (f64 for f64) and rounded once. The gradients of weights and bias add up blocks of tokens, then the blocks in their order; how long a block is depends
//! on the number of tokens alone. Deterministic, without atomics.
//!
//! # Constraints
//! Any b, s and d, 0 included. f64 is refused by every GPU. What a text leaves to the next is a part of x, and of the state where x is shorter: the gradient
//! of a loss on it is added to that part of dx and dstate, by the caller, as the forward form gives out alone.
//!
//! # Sources
//! The transpose of the formula of [`causal_conv`](super::causal_conv()).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::conv::{CausalConvInputs, causal_conv_bw};
//! let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [1, 3, 1])?;
//! let weight = Tensor::from_vec(vec![10.0f32, 1.0], [1, 2])?;
//! let dy = Tensor::from_vec(vec![1.0f32, 1.0, 1.0], [1, 3, 1])?;
//! let inputs = CausalConvInputs { x: &x, weight: &weight, bias: None, state: None };
//! let by = causal_conv_bw(&Stream::cpu(), &dy, &inputs)?;
//! assert_eq!(by.x.to_vec::<f32>()?, [11.0, 11.0, 1.0]);
//! assert_eq!(by.weight.to_vec::<f32>()?, [3.0, 6.0]);
//! assert_eq!(by.bias.to_vec::<f32>()?, [3.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::causal_conv::{CausalConvInputs, check};
use crate::arguments::{check_device, check_same_dtype};

const NAME: &str = "causal_conv_bw";

/// The gradients of [`causal_conv`](super::causal_conv()).
#[derive(Debug, Clone)]
pub struct CausalConvGradients {
    /// By x.
    pub x: Tensor,
    /// By the weights.
    pub weight: Tensor,
    /// By the bias, also where there was none.
    pub bias: Tensor,
    /// By the state, where there was one.
    pub state: Option<Tensor>,
}

/// The gradients by x, weights, bias and state, given `dy`, the gradient by the output. The bias itself is not needed.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; more than 8 taps, or none; f64 on a GPU.
pub fn causal_conv_bw(
    stream: &Stream,
    dy: &Tensor,
    inputs: &CausalConvInputs<'_>,
) -> Result<CausalConvGradients> {
    let extents = check(NAME, stream, inputs)?;
    check_device(NAME, "dy", stream, dy)?;
    check_same_dtype(NAME, "dy", dy, inputs.x)?;
    if dy.dims() != inputs.x.dims() {
        return Err(Error::shape(NAME, "dy", format!("{} as x", inputs.x.shape()), dy.shape()));
    }
    match stream.device() {
        Device::Cpu => cpu::causal_conv_bw(&extents, dy, inputs),
        _ => gpu::causal_conv_bw(stream, &extents, dy, inputs),
    }
}
