//! Gradients of [`rms_norm`](super::rms_norm()).
//!
//! # Math
//! With `y = x r`, `r = (mean(x^2) + eps)^-1/2`, means over a row, and `g = dy w`:
//! ```text
//! dx = r (g - y mean(g y))
//! dw = sum of dy y over all rows
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | dy, x | `[.., n]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | weight | `[n]` | any strides | as dy |
//! | dx | as x | row-major | as dy |
//! | dw | as weight | row-major | as dy |
//!
//! # Numerics
//! Sums and results are computed in f32 (f64 for f64) and rounded once. r is computed again, so nothing has to be kept. The gradient of the weights adds
//! up blocks of tokens, then the blocks in their order; how long a block is depends on the number of tokens alone. Deterministic, without atomics. NaN in a row
//! is NaN in its gradient, and in that of the weights.
//!
//! # Constraints
//! Any extents, 0 included. f64 is refused by every GPU.
//!
//! # Sources
//! Zhang, Sennrich, Root mean square layer normalization, arXiv 1910.07467, equation 4. The gradients are derived here, and judged by central differences.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::norm::{Norm, rms_norm_bw};
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [1, 2])?;
//! let weight = Tensor::from_vec(vec![1.0f32, 2.0], [2])?;
//! let dy = Tensor::from_vec(vec![1.0f32, 2.0], [1, 2])?;
//! let by = rms_norm_bw(&Stream::cpu(), &dy, &x, &weight, &Norm::default())?;
//! let (dx, x) = (by.x.to_vec::<f32>()?, x.to_vec::<f32>()?);
//! assert!((dx[0] * x[0] + dx[1] * x[1]).abs() < 1e-6); // along x a norm does not change
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Result, Stream, Tensor};

use super::rows::{Kind, Rows};
use super::{Norm, NormGradients, device, host};

const NAME: &str = "rms_norm_bw";

/// The gradients by `x` and `weight`, given `dy`, the gradient by the output.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; eps negative or not finite; f64 on a GPU.
pub fn rms_norm_bw(
    stream: &Stream,
    dy: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    args: &Norm,
) -> Result<NormGradients> {
    let rows = Rows::new(NAME, Kind::Rms, stream, x, weight, args)?;
    rows.check_gradient(stream, dy)?;
    match stream.device() {
        Device::Cpu => host::backward(&rows, dy),
        _ => device::backward(stream, &rows, dy),
    }
}
