//! Dot products with twice the digits.
//!
//! # Math
//!
//! ```text
//! high + low = sum x_i y_i
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x`, `y` | `[.., n]`, each with or without a low part | f32; f64 on the CPU and CUDA |
//! | `high`, `low` | `[..]` | that of `x` |
//!
//! # Numerics
//!
//! Off by `(5 + 3 d) u²` at most, relative to the sum of the absolute products, with u = 2^-24 for f32; d is how many additions a term goes through, `n / 16 + 17` for n up
//! to 2^14, and from there on `1041 + n / 2^14`. `low` is at most half a unit in the last place of `high`. The order is fixed by n and the device. Products below 2^-102 (f32) lose the error
//! of their rounding to underflow. An infinity or NaN gives NaN. Deterministic. Judged by an accumulator that rounds nothing.
//!
//! # Constraints
//!
//! - GPU, emulated: f32. Rows beyond 2^14 elements are divided among groups. n < 2^32.
//!
//! # Sources
//!
//! Ogita, Rump, Oishi, "Accurate sum and dot product" (2005); Joldes, Muller, Popescu, "Tight and rigorous error bounds for basic building blocks of
//! double-word arithmetic" (2017), for the bounds; Kulisch's accumulator for the truth.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::extended::extended_dot;
//!
//! let x = Tensor::from_vec(vec![1e8f32, 1.0, -1e8], [3])?;
//! let y = Tensor::from_vec(vec![1.0f32, 1.0, 1.0], [3])?;
//! let sum = extended_dot(&Stream::cpu(), &x, &y)?; // f32 alone says 0
//! assert_eq!(sum.to_f64_vec()?, [1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream};

use super::rows::sums;
use super::{Operand, Pair, check_operand};
use crate::arguments::check_same_dtype;

const NAME: &str = "extended_dot";

/// The sum of the products along the last axis.
///
/// # Errors
/// `x` without an axis; `y` of another shape, low parts of another shape than their high ones; another dtype than listed, or two; another device than the
/// stream's; f64 where kernels are Metal.
pub fn extended_dot<'a>(
    stream: &Stream,
    x: impl Into<Operand<'a>>,
    y: impl Into<Operand<'a>>,
) -> Result<Pair> {
    let (x, y) = (x.into(), y.into());
    check_operand(NAME, stream, ["x", "x_low"], x)?;
    check_operand(NAME, stream, ["y", "y_low"], y)?;
    check_same_dtype(NAME, "y", y.high, x.high)?;
    if x.high.rank() == 0 {
        return Err(Error::shape(NAME, "x", "[.., n]", x.high.shape()));
    }
    if y.high.dims() != x.high.dims() {
        return Err(Error::shape(NAME, "y", x.high.shape().to_string(), y.high.shape()));
    }
    sums(stream, x, Some(y))
}
