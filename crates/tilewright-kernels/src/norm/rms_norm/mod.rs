//! The root-mean-square norm of rows, with a weight per element.
//!
//! # Math
//! ```text
//! out = x r w,  r = (mean(x^2) + eps)^-1/2      means over a row
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n]` | any strides | f32, f16, bf16; f64 on the CPU |
//! | weight | `[n]` | any strides | as x |
//! | out | as x | row-major | as x |
//!
//! # Numerics
//! Sums and results are computed in f32 (f64 for f64) and rounded once. Squares must stay in range: |x| below 1e19 in f32. A row with NaN is NaN. Deterministic.
//! The tolerance follows from an error analysis of the row (`truth.rs`).
//!
//! # Constraints
//! Any extents, 0 included. f64 is refused by every GPU.
//!
//! # Sources
//! Zhang, Sennrich, Root mean square layer normalization, arXiv 1910.07467, equation 4.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::norm::{Norm, rms_norm};
//! let x = Tensor::from_vec(vec![3.0f32, 4.0], [1, 2])?;
//! let weight = Tensor::from_vec(vec![1.0f32, 2.0], [2])?;
//! let out = rms_norm(&Stream::cpu(), &x, &weight, &Norm { eps: 0.0 })?.to_vec::<f32>()?;
//! assert!((out[0] - 0.6 * 2f32.sqrt()).abs() < 1e-6 && (out[1] - 1.6 * 2f32.sqrt()).abs() < 1e-6);
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

const NAME: &str = "rms_norm";

/// The norm of each row of `x`.
///
/// # Errors
/// Tensors on another device than the stream, of dtypes or shapes that do not fit; eps negative or not finite; f64 on a GPU.
pub fn rms_norm(stream: &Stream, x: &Tensor, weight: &Tensor, args: &Norm) -> Result<Tensor> {
    let rows = Rows::new(NAME, Kind::Rms, stream, x, weight, args)?;
    match stream.device() {
        Device::Cpu => host::forward(&rows),
        _ => device::forward(stream, &rows),
    }
}
