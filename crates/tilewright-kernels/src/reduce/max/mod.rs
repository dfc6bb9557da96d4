//! The largest element along an axis.
//!
//! # Math
//! out\[..\] = max over j of x\[.., j, ..\]; NaN if any of them is, as NumPy has it
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis, n >= 1 | any strides | f32, f16, bf16, f64, i32, i64, u32 |
//! | out | that of x without the axis | row-major | that of x |
//!
//! # Numerics
//! Exact: the result is the first of the largest elements, or the first NaN; of -0 and 0 the one that comes first.
//!
//! # Constraints
//! f64 on the CPU and on CUDA. On a GPU, fewer than 2^32 elements along the axis. A row without elements has no largest one: an error that
//! names `x`.
//!
//! # Sources
//! NumPy, `numpy.max`: the treatment of NaN.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::max::{Max, max};
//!
//! let x = Tensor::from_vec(vec![1.0f32, 7.0, 3.0, 2.0, 0.0, f32::NAN], [2, 3])?;
//! assert_eq!(max(&Stream::cpu(), &x, &Max { axis: 0 })?.to_vec::<f32>()?[..2], [2.0, 7.0]);
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

use crate::reduce::rows::Rows;

const NAME: &str = "max";
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F64, DType::I32, DType::I64, DType::U32];

/// Arguments of [`max`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Max {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
}

impl Default for Max {
    fn default() -> Self {
        Self { axis: -1 }
    }
}

/// The largest element of `x` along an axis. Fails on a dtype, an axis or a device that does not fit, and on rows without elements.
pub fn max(stream: &Stream, x: &Tensor, args: &Max) -> Result<Tensor> {
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    rows.require_elements(NAME)?;
    match stream.device() {
        Device::Cpu => cpu::max(&rows),
        _ => gpu::max(stream, &rows),
    }
}
