//! Exponentials along an axis, normalised to the sum 1.
//!
//! # Math
//! m = max over j of x\[.., j, ..\]; out\[.., j, ..\] = exp(x\[.., j, ..\] - m) / sum over l of exp(x\[.., l, ..\] - m)
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis | any strides | f32, f16, bf16, f64 |
//! | out | that of x | row-major once the axis is moved last | that of x |
//!
//! Where the axis is not the last, `out` is a view of what the rows became: [`Tensor::to`] makes it row-major.
//!
//! # Numerics
//! Two passes: the running maximum and sum, then the quotients. f16 and bf16 are computed in f32 and rounded once. What would be below the
//! accumulator's smallest normal number may be 0. A row of minus infinities alone, and one with +inf or NaN, is NaN, as PyTorch has it. A row
//! without elements is empty. The same bits on every run. The tolerance adds to that of `logsumexp` the roundings of x - m, in proportion to it.
//!
//! # Constraints
//! f64 on the CPU. On a GPU, fewer than 2^32 elements along the axis.
//!
//! # Sources
//! Milakov, Gimelshein, Online normalizer calculation for softmax, arXiv 1805.02867, algorithm 3. Blanchard, Higham, Higham, Accurately computing
//! the log-sum-exp and softmax functions, IMA J. Numer. Anal. 41 (2021), section 4.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::softmax::{Softmax, softmax};
//!
//! let x = Tensor::from_vec(vec![0.0f32, 3f32.ln()], [2])?;
//! let out = softmax(&Stream::cpu(), &x, &Softmax::default())?.to_vec::<f32>()?;
//! assert!((out[0] - 0.25).abs() < 1e-6 && (out[1] - 0.75).abs() < 1e-6);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::reduce::rows::{Rows, check_exponential};

const NAME: &str = "softmax";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::F64];

/// Arguments of [`softmax`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
}

impl Default for Softmax {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

/// Exponentials of `x`, normalised along an axis. Fails on a dtype, an axis or a device that does not fit.
pub fn softmax(stream: &Stream, x: &Tensor, args: &Softmax) -> Result<Tensor> {
    check_exponential(NAME, stream.device(), x.dtype())?;
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    let result = match stream.device() {
        Device::Cpu => cpu::softmax(&rows)?,
        _ => gpu::softmax(stream, &rows)?,
    };
    rows.restore(result)
}
