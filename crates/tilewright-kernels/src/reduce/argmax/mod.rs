//! The position of the largest element along an axis.
//!
//! # Math
//! out\[..\] = the lowest j with x\[.., j, ..\] = max over j; of a row with NaN, the position of the first NaN, as NumPy has it
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis, n >= 1 | any strides | f32, f16, bf16, f64, i32, i64, u32 |
//! | out | that of x without the axis | row-major | u32 or i64, as asked |
//!
//! # Numerics
//! Exact: comparisons only. -0 and 0 are equal. Ties go to the lowest position, on every device and at every size.
//!
//! # Constraints
//! f64 on the CPU and on CUDA. Fewer than 2^32 elements along the axis. A row without elements has no largest one: an error that names `x`.
//!
//! # Sources
//! NumPy, `numpy.argmax`: the order of ties and of NaN.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::argmax::{Argmax, argmax};
//!
//! let x = Tensor::from_vec(vec![1.0f32, 7.0, 7.0, 2.0, 0.0, f32::NAN], [2, 3])?;
//! let largest = argmax(&Stream::cpu(), &x, &Argmax::default())?;
//! assert_eq!(largest.to_vec::<u32>()?, [1, 2]);
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

use crate::reduce::rows::{Rows, check_index};

const NAME: &str = "argmax";
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F64, DType::I32, DType::I64, DType::U32];

/// Arguments of [`argmax`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argmax {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
    /// The dtype of the positions, u32 or i64. Default u32.
    pub index: DType,
}

impl Default for Argmax {
    fn default() -> Self {
        Self { axis: -1, index: DType::U32 }
    }
}

/// The position of the largest element of `x` along an axis. Fails on a dtype, an axis or a device that does not fit, and on
/// rows without elements.
pub fn argmax(stream: &Stream, x: &Tensor, args: &Argmax) -> Result<Tensor> {
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    rows.require_elements(NAME)?;
    check_index(NAME, args.index, rows.n)?;
    match stream.device() {
        Device::Cpu => cpu::argmax(&rows, args.index),
        _ => gpu::argmax(stream, &rows, args.index),
    }
}
