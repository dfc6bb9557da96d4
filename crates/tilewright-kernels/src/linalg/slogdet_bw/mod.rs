//! The gradient of [`slogdet()`](crate::linalg::slogdet()).
//!
//! # Math
//!
//! ```text
//! log |det a|        da = dlog a^-T
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., n, n]` | f32, f64, f16, bf16 |
//! | `dlog` | `[..]`: the gradient by the logarithm | that of `a` |
//! | `da` | `[.., n, n]` | that of `a` |
//!
//! The sign is constant wherever the logarithm is finite, and has no part in it.
//!
//! # Numerics
//!
//! [`inverse()`](crate::linalg::inverse()) and one multiplication of each element, in f32 (f64 for f64), rounded once at the end: off by a small multiple of n
//! roundings relative to `|a^-1|` times the condition of a; judged by central differences in f64. Of a singular matrix it is NaN. Deterministic.
//!
//! # Constraints
//!
//! As [`inverse()`](crate::linalg::inverse()).
//!
//! # Sources
//!
//! Giles, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), 2.2.4.
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::linalg::slogdet_bw;
//!
//! let a = Tensor::from_vec(vec![2.0f32, 0.0, 0.0, 4.0], [2, 2])?;
//! let by = slogdet_bw(&Stream::cpu(), &a, &Tensor::scalar(1.0f32))?;
//! assert_eq!(by.to_vec::<f32>()?, [0.5, 0.0, 0.0, 0.25]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

pub(crate) use cases::KERNEL;

use tilewright_core::{Result, Stream, Tensor};

use super::convert::{narrowed, widened};
use super::elementwise::{Step, elementwise};
use super::extents::{Extents, check_like};
use super::{inverse, lu};

const NAME: &str = "slogdet_bw";

/// The gradient by `a`, of that by the logarithm of the determinant's absolute value.
///
/// # Errors
/// `a` not of square matrices; `dlog` of another shape than its leading axes; another dtype than listed, or two; another device than the stream's;
/// what [`inverse()`](crate::linalg::inverse()) cannot do.
pub fn slogdet_bw(stream: &Stream, a: &Tensor, dlog: &Tensor) -> Result<Tensor> {
    let extents = Extents::square(NAME, stream, "a", a)?;
    lu::check(NAME, stream.device(), a.dtype(), extents.n)?;
    check_like(NAME, stream, "dlog", dlog, a, &extents.batch)?;
    let far = inverse(stream, &widened(stream, a)?)?.x;
    let by = elementwise(stream, &far, Step::TransposeTimes(&widened(stream, dlog)?))?;
    narrowed(stream, by, a.dtype())
}
