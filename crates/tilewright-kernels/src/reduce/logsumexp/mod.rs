//! The logarithm of the sum of exponentials along an axis.
//!
//! # Math
//! m = max over j of x\[.., j, ..\]; out\[..\] = m + log( sum over j of exp(x\[.., j, ..\] - m) )
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis | any strides | f32, f16, bf16, f64 |
//! | out | that of x without the axis | row-major | that of x |
//!
//! # Numerics
//! One pass: a running maximum and the sum relative to it, rescaled where the maximum grows. f16 and bf16 are computed in f32 and rounded once.
//! No finite row overflows or underflows. The sum of no elements, and of minus infinities alone, is 0: the result is -inf, as PyTorch has it.
//! With +inf the result is +inf; with NaN it is NaN. The same bits on every run. The tolerance counts the roundings of the differences, of
//! the exponentials (2 units on the CPU, at most 8 on GPUs), of the rescalings and of the sum.
//!
//! # Constraints
//! f64 on the CPU. On a GPU, fewer than 2^32 elements along the axis.
//!
//! # Sources
//! Milakov, Gimelshein, Online normalizer calculation for softmax, arXiv 1805.02867, algorithm 3. Blanchard, Higham, Higham, Accurately computing
//! the log-sum-exp and softmax functions, IMA J. Numer. Anal. 41 (2021), theorem 4.2.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::logsumexp::{Logsumexp, logsumexp};
//!
//! let x = Tensor::from_vec(vec![1000.0f32, 1000.0, f32::NEG_INFINITY, f32::NEG_INFINITY], [2, 2])?;
//! let out = logsumexp(&Stream::cpu(), &x, &Logsumexp::default())?.to_vec::<f32>()?;
//! assert!((out[0] - 1000.6931).abs() < 1e-3);
//! assert_eq!(out[1], f32::NEG_INFINITY);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
pub(super) mod cpu;
pub(super) mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;
pub(super) use cases::sum_roundings;

use crate::reduce::rows::{Rows, check_exponential};

const NAME: &str = "logsumexp";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// Arguments of [`logsumexp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logsumexp {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
}

impl Default for Logsumexp {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

/// The logarithm of the sum of exponentials of `x` along an axis. Fails on a dtype, an axis or a device that does not fit.
pub fn logsumexp(stream: &Stream, x: &Tensor, args: &Logsumexp) -> Result<Tensor> {
    check_exponential(NAME, stream.device(), x.dtype())?;
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    match stream.device() {
        Device::Cpu => cpu::logsumexp(&rows),
        _ => gpu::logsumexp(stream, &rows),
    }
}
