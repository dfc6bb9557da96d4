//! The sum along an axis.
//!
//! # Math
//! out\[..\] = sum over j of x\[.., j, ..\]
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis | any strides | f32, f16, bf16, f64, i32, i64, u32 |
//! | out | that of x without the axis | row-major | that of x |
//!
//! # Numerics
//! The sum of no elements is 0. f16 and bf16 accumulate in f32 and round once. Integers wrap around, in either mode.
//!
//! `plain`: partial sums of at most 32 terms, joined in a tree: the error is below d u sum |x|, where the depth d grows with log n
//! ([`cases`](self) counts it), against n u sum |x| of a loop. `compensated`: every addition also yields its rounding error (TwoSum), and the
//! errors are summed beside: the error is below u |out| + d^2 u^2 sum |x|, so that sums survive cancellation of about 1/u.
//! Infinities and NaN give what `plain` gives. Both modes give the same bits on every run; the CPU and the GPU cut rows differently and may
//! differ by the error above.
//!
//! # Constraints
//! f64 on the CPU and on CUDA. On a GPU, fewer than 2^32 elements along the axis.
//!
//! # Sources
//! Higham, The accuracy of floating point summation, SIAM J. Sci. Comput. 14 (1993), sections 2-4. Ogita, Rump, Oishi, Accurate sum and dot
//! product, SIAM J. Sci. Comput. 26 (2005), algorithm 4.4 (Sum2).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::sum::{Mode, Sum, sum};
//!
//! let x = Tensor::from_vec(vec![1.0f32, 1e8, 1.0, -1e8], [2, 2])?;
//! let columns = sum(&Stream::cpu(), &x, &Sum { axis: 0, mode: Mode::Compensated })?;
//! assert_eq!(columns.to_vec::<f32>()?, [2.0, 0.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
pub(super) mod cpu;
pub(super) mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::reduce::rows::Rows;

const NAME: &str = "sum";
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F64, DType::I32, DType::I64, DType::U32];

/// Arguments of [`sum`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
    /// How rounding errors are treated. Default [`Mode::Plain`].
    pub mode: Mode,
}

impl Default for Sum {
    fn default() -> Self {
        Self { axis: -1, mode: Mode::Plain }
    }
}

/// How [`sum`] treats rounding errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Pairwise summation.
    Plain,
    /// Summation with the rounding errors carried along, for sums that cancel.
    Compensated,
}

impl Mode {
    fn parse(name: &str) -> Result<Self> {
        match name {
            "plain" => Ok(Mode::Plain),
            "compensated" => Ok(Mode::Compensated),
            other => Err(Error::range(NAME, "mode", "plain or compensated", other)),
        }
    }
}

/// The sum of `x` along an axis. Fails on a dtype, an axis or a device that does not fit.
pub fn sum(stream: &Stream, x: &Tensor, args: &Sum) -> Result<Tensor> {
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    match stream.device() {
        Device::Cpu => cpu::sum(&rows, args.mode),
        _ => gpu::sum(stream, &rows, args.mode),
    }
}
