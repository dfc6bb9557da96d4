//! A multiple of a vector added to another, with twice the digits.
//!
//! # Math
//!
//! ```text
//! high + low = alpha x + y
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x`, `y` | any, the same, each with or without a low part | f32; f64 on the CPU and CUDA |
//! | `high`, `low` | that of `x` | that of `x` |
//!
//! `alpha` is an f64, of which f32 takes the two parts, 48 bits.
//!
//! # Numerics
//!
//! Off by `8 u²` at most, relative to `|alpha x| + |y|`, with u = 2^-24 for f32, besides the rounding of alpha to two parts, u². `low` is at most half a unit in
//! the last place of `high`. An infinity or NaN gives NaN. Deterministic. Judged by an accumulator that rounds nothing.
//!
//! # Constraints
//!
//! - GPU, emulated: f32.
//!
//! # Sources
//!
//! Joldes, Muller, Popescu, "Tight and rigorous error bounds for basic building blocks of double-word arithmetic" (2017).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::extended::{ExtendedAxpy, extended_axpy};
//!
//! let (x, y) = (Tensor::from_vec(vec![1.0f32], [1])?, Tensor::from_vec(vec![1e8f32], [1])?);
//! let sum = extended_axpy(&Stream::cpu(), &x, &y, &ExtendedAxpy { alpha: 0.5 })?; // beyond the digits of f32
//! assert_eq!(sum.to_f64_vec()?, [100_000_000.5]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

use super::{Operand, Pair, check_operand, with_number};
use crate::arguments::check_same_dtype;

const NAME: &str = "extended_axpy";

/// The arguments of [`extended_axpy()`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtendedAxpy {
    /// The factor of `x`.
    pub alpha: f64,
}

impl Default for ExtendedAxpy {
    fn default() -> Self {
        ExtendedAxpy { alpha: 1.0 }
    }
}

/// `alpha x + y`.
///
/// # Errors
/// `y` of another shape, low parts of another shape than their high ones; another dtype than listed, or two; another device than the stream's; f64 where
/// kernels are Metal; alpha NaN or infinite.
pub fn extended_axpy<'a>(
    stream: &Stream,
    x: impl Into<Operand<'a>>,
    y: impl Into<Operand<'a>>,
    args: &ExtendedAxpy,
) -> Result<Pair> {
    let (x, y) = (x.into(), y.into());
    check_operand(NAME, stream, ["x", "x_low"], x)?;
    check_operand(NAME, stream, ["y", "y_low"], y)?;
    check_same_dtype(NAME, "y", y.high, x.high)?;
    if y.high.dims() != x.high.dims() {
        return Err(Error::shape(NAME, "y", x.high.shape().to_string(), y.high.shape()));
    }
    if !args.alpha.is_finite() {
        return Err(Error::range(NAME, "alpha", "a finite number", args.alpha));
    }
    if x.high.is_empty() {
        let empty = || Tensor::empty(stream, x.high.dtype(), x.high.shape());
        return Ok(Pair { high: empty()?, low: empty()? });
    }
    match stream.device() {
        Device::Cpu => with_number!(x.high.dtype(), T => cpu::axpy::<T>(x, y, args.alpha)),
        _ => gpu::axpy(stream, x, y, args.alpha),
    }
}
