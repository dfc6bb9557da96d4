//! Matrix products with twice the digits.
//!
//! # Math
//!
//! ```text
//! high + low = a b
//! ```
//!
//! # Shapes
//!
//! | tensor | shape | dtype |
//! |---|---|---|
//! | `a` | `[.., m, k]`, with or without a low part | f32; f64 on the CPU and CUDA |
//! | `b` | `[.., k, n]`, with or without a low part | that of `a` |
//! | `high`, `low` | `[.., m, n]` | that of `a` |
//!
//! The leading axes of `a` and `b` are equal.
//!
//! # Numerics
//!
//! Each element is off by `(5 + 3 k) u²` at most, relative to the sum of the absolute products, with u = 2^-24 for f32. Terms are added in order. `low` is at
//! most half a unit in the last place of `high`. Products below 2^-102 (f32) lose the error of their rounding to underflow. An infinity or NaN gives NaN.
//! Deterministic. Judged by an accumulator that rounds nothing.
//!
//! # Constraints
//!
//! - GPU, emulated: f32. Groups of 16 x 16 threads, an element each, over tiles in shared memory: about 25 operations of f32 a product.
//!
//! # Sources
//!
//! Ogita, Rump, Oishi, "Accurate sum and dot product" (2005); Joldes, Muller, Popescu, "Tight and rigorous error bounds for basic building blocks of
//! double-word arithmetic" (2017).
//!
//! # Example
//!
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::extended::extended_matmul;
//!
//! let a = Tensor::from_vec(vec![1e8f32, 1.0, -1e8], [1, 3])?;
//! let b = Tensor::from_vec(vec![1.0f32, 1.0, 1.0], [3, 1])?;
//! assert_eq!(extended_matmul(&Stream::cpu(), &a, &b)?.to_f64_vec()?, [1.0]);
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

const NAME: &str = "extended_matmul";

/// How large a product is.
struct Sizes {
    batches: usize,
    m: usize,
    k: usize,
    n: usize,
    shape: Vec<usize>,
}

/// `a b`.
///
/// # Errors
/// Fewer than 2 axes, leading axes or inner extents that differ, low parts of another shape than their high ones; another dtype than listed, or two;
/// another device than the stream's; f64 where kernels are Metal.
pub fn extended_matmul<'a>(
    stream: &Stream,
    a: impl Into<Operand<'a>>,
    b: impl Into<Operand<'a>>,
) -> Result<Pair> {
    let (a, b) = (a.into(), b.into());
    check_operand(NAME, stream, ["a", "a_low"], a)?;
    check_operand(NAME, stream, ["b", "b_low"], b)?;
    check_same_dtype(NAME, "b", b.high, a.high)?;
    let &[ref batch @ .., m, k] = a.high.dims() else {
        return Err(Error::shape(NAME, "a", "[.., m, k]", a.high.shape()));
    };
    let n = match b.high.dims() {
        &[ref other @ .., inner, n] if other == batch && inner == k => n,
        _ => {
            let expected = format!("{:?} and then [{k}, n]", batch);
            return Err(Error::shape(NAME, "b", expected, b.high.shape()));
        }
    };
    let shape = [batch, &[m, n]].concat();
    if k == 0 || shape.contains(&0) {
        let zeros = || Tensor::zeros(a.high.dtype(), &shape[..])?.to(stream);
        return Ok(Pair { high: zeros()?, low: zeros()? });
    }
    let sizes = Sizes { batches: batch.iter().product(), m, k, n, shape };
    match stream.device() {
        Device::Cpu => with_number!(a.high.dtype(), T => cpu::product::<T>(a, b, &sizes)),
        _ => gpu::product(stream, a, b, &sizes),
    }
}
