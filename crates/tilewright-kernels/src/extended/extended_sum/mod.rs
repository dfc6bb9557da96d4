//! Sums with twice the digits.
//!
//! # Math
//!
//! ```text
//! high + low = sum x_i
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `x` | `[.., n]`, with or without a low part | f32; f64 on the CPU and CUDA |
//! | `high`, `low` | `[..]` | that of `x` |
//!
//! # Numerics
//!
//! Off by `3 d u²` at most, relative to the sum of the absolute elements, with u = 2^-24 for f32; d is how many additions an element goes through, `n / 16 + 17` for n up
//! to 2^14, and from there on `1041 + n / 2^14`. `low` is at most half a unit in the last place of `high`. The order is fixed by n and the device. An infinity or NaN gives NaN.
//! Deterministic. Judged by an accumulator that rounds nothing.
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
//! use tilewright_kernels::extended::extended_sum;
//!
//! let x = Tensor::from_vec(vec![1e8f32, 1.0, -1e8], [3])?;
//! let sum = extended_sum(&Stream::cpu(), &x)?; // f32 alone says 0
//! assert_eq!(sum.to_f64_vec()?, [1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Error, Result, Stream};

use super::rows::sums;
use super::{Operand, Pair, check_operand};

const NAME: &str = "extended_sum";

/// The sum along the last axis.
///
/// # Errors
/// `x` without an axis, a low part of another shape than the high one; another dtype than listed, or two; another device than the stream's; f64 where kernels are Metal.
pub fn extended_sum<'a>(stream: &Stream, x: impl Into<Operand<'a>>) -> Result<Pair> {
    let x = x.into();
    check_operand(NAME, stream, ["x", "x_low"], x)?;
    if x.high.rank() == 0 {
        return Err(Error::shape(NAME, "x", "[.., n]", x.high.shape()));
    }
    sums(stream, x, None)
}
