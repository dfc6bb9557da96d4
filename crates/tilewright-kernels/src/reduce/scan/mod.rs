//! Running sums along an axis.
//!
//! # Math
//! inclusive: out\[.., j, ..\] = sum over l <= j of x\[.., l, ..\]; exclusive: over l < j. Reversed: over l >= j, and over l > j.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis | any strides | f32, f16, bf16, f64, i32, i64, u32 |
//! | out | that of x | row-major once the axis is moved last | that of x |
//!
//! Where the axis is not the last, `out` is a view of what the rows became: [`Tensor::to`] makes it row-major.
//!
//! # Numerics
//! f16 and bf16 accumulate in f32; every element is rounded once. Integers wrap around. Rows are cut into blocks: within one, short sums follow one
//! another; what precedes a block is summed as `sum` does, with compensation on the CPU. So the error of an element is below d u times the sum of
//! |x| up to it, where the depth d grows with log n, against n u of a loop. The same bits on every run.
//!
//! # Constraints
//! f64 on the CPU and on CUDA. On a GPU, fewer than 2^32 elements along the axis.
//!
//! # Sources
//! Blelloch, Prefix sums and their applications, CMU-CS-90-190, section 1.3 (reduce, scan, add).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::scan::{Scan, scan};
//!
//! let x = Tensor::from_vec(vec![3, 1, 4, 1], [4])?;
//! assert_eq!(scan(&Stream::cpu(), &x, &Scan::default())?.to_vec::<i32>()?, [3, 4, 8, 9]);
//! let offsets = scan(&Stream::cpu(), &x, &Scan { exclusive: true, ..Scan::default() })?;
//! assert_eq!(offsets.to_vec::<i32>()?, [0, 3, 4, 8]);
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

const NAME: &str = "scan";
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F64, DType::I32, DType::I64, DType::U32];

/// Arguments of [`scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
    /// Whether an element's own term is left out. Default false.
    pub exclusive: bool,
    /// Whether the sums run from the end. Default false.
    pub reverse: bool,
}

impl Default for Scan {
    fn default() -> Self {
        Self { axis: -1, exclusive: false, reverse: false }
    }
}

/// The running sums of `x` along an axis. Fails on a dtype, an axis or a device that does not fit.
pub fn scan(stream: &Stream, x: &Tensor, args: &Scan) -> Result<Tensor> {
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    let result = match stream.device() {
        Device::Cpu => cpu::scan(&rows, args)?,
        _ => gpu::scan(stream, &rows, args)?,
    };
    rows.restore(result)
}
