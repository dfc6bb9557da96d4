//! A tensor added to a multiple of another.
//!
//! # Math
//! ```text
//! out = alpha x + y
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | any | any strides | f32, f16, bf16; f64 on the CPU |
//! | y | as x | any strides | as x |
//! | out | as x | row-major | as x |
//!
//! # Numerics
//! Computed in f32 (f64 for f64), to which `alpha` is rounded, and rounded once to the dtype; product and sum may be fused. Deterministic.
//!
//! # Constraints
//! `alpha` must be finite. f64 is refused by every GPU.
//!
//! # Sources
//! BLAS AXPY (Lawson et al. 1979).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::elementwise::{Axpy, axpy};
//! let x = Tensor::from_vec(vec![1.0f32, -2.0], [2])?;
//! let y = Tensor::from_vec(vec![0.5f32, 0.5], [2])?;
//! let out = axpy(&Stream::cpu(), &x, &y, &Axpy { alpha: 3.0 })?;
//! assert_eq!(out.to_vec::<f32>()?, [3.5, -5.5]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::soft_cap::{DTYPES, cases::variants};
use crate::arguments::{check_device, check_same_dtype, check_tensor};

const NAME: &str = "axpy";

/// The arguments of [`axpy()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axpy {
    /// The factor of x, finite. Default 1.
    pub alpha: f64,
}

impl Default for Axpy {
    fn default() -> Self {
        Axpy { alpha: 1.0 }
    }
}

/// `alpha x + y`, elementwise.
///
/// # Errors
/// Tensors on another device than the stream, of different or other dtypes or shapes; `alpha` not finite; f64 on a GPU.
pub fn axpy(stream: &Stream, x: &Tensor, y: &Tensor, args: &Axpy) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    check_device(NAME, "y", stream, y)?;
    check_same_dtype(NAME, "y", y, x)?;
    if x.dims() != y.dims() {
        return Err(Error::shape(NAME, "y", format!("{} as x", x.shape()), y.shape()));
    }
    if !(args.alpha as f32).is_finite() {
        return Err(Error::range(NAME, "alpha", "a finite number", args.alpha));
    }
    variants(NAME, stream.device(), x.dtype())?;
    match stream.device() {
        Device::Cpu => cpu::axpy(x, y, args.alpha),
        _ => gpu::axpy(stream, x, y, args.alpha),
    }
}
