//! The k largest or smallest elements along an axis, best first, with their positions.
//!
//! # Math
//! Order the elements of a row by value (descending, or ascending for the smallest), then by position; NaN after everything else. values and positions
//! are the first k.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n, ..]`, at least 1 axis, 0 <= k <= n | any strides | f32, f16, bf16, f64, i32, i64, u32 |
//! | values | `[.., k, ..]` | row-major once the axis is moved last | that of x |
//! | positions | as values | as values | u32 or i64, as asked |
//!
//! Where the axis is not the last, the results are views of what the rows became: [`Tensor::to`] makes them row-major.
//!
//! # Numerics
//! Exact: comparisons only; values are copies of the elements, bit for bit. -0 and 0 are equal. The order is total, so every device and every run gives
//! the same result.
//!
//! # Constraints
//! Fewer than 2^32 elements along the axis. k beyond n is an error that names `k`. f64 and i64 on the CPU only: a GPU's candidates are 64-bit words of a
//! 32-bit key and the position.
//!
//! # Sources
//! NumPy and PyTorch leave the order of ties open; this one is that of a stable sort. Batcher's bitonic sorter (Knuth, The Art of Computer Programming 3,
//! section 5.3.4) orders a GPU's candidates.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::reduce::top_k::{TopK, top_k};
//!
//! let x = Tensor::from_vec(vec![1.0f32, 7.0, f32::NAN, 7.0, 3.0], [5])?;
//! let (values, positions) = top_k(&Stream::cpu(), &x, &TopK { k: 3, ..TopK::default() })?;
//! assert_eq!(values.to_vec::<f32>()?, [7.0, 7.0, 3.0]);
//! assert_eq!(positions.to_vec::<u32>()?, [1, 3, 4]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::reduce::rows::{Rows, check_index};

const NAME: &str = "top_k";
const DTYPES: &[DType] =
    &[DType::F32, DType::F16, DType::Bf16, DType::F64, DType::I32, DType::I64, DType::U32];

/// Arguments of [`top_k`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    /// How many, from 0 to the extent of the axis. Default 1.
    pub k: usize,
    /// The axis, counted from the end where negative. Default -1.
    pub axis: i64,
    /// Whether the largest or the smallest. Default true.
    pub largest: bool,
    /// The dtype of the positions, u32 or i64. Default u32.
    pub index: DType,
}

impl Default for TopK {
    fn default() -> Self {
        Self { k: 1, axis: -1, largest: true, index: DType::U32 }
    }
}

/// The first `k` elements of `x` along an axis in the order asked for, and their positions. Fails on a dtype, an axis or a device that does not fit, and on
/// k beyond the extent of the axis.
pub fn top_k(stream: &Stream, x: &Tensor, args: &TopK) -> Result<(Tensor, Tensor)> {
    let rows = Rows::new(NAME, stream, x, args.axis, DTYPES)?;
    check_index(NAME, args.index, rows.n)?;
    check_key(stream.device(), x.dtype())?;
    if args.k > rows.n {
        return Err(Error::range(NAME, "k", format!("at most {}, the extent of the axis", rows.n), args.k));
    }
    let (values, positions) = match stream.device() {
        Device::Cpu => cpu::top_k(&rows, args)?,
        _ => gpu::top_k(stream, &rows, args)?,
    };
    Ok((rows.restore(values)?, rows.restore(positions)?))
}

fn check_key(device: Device, dtype: DType) -> Result<()> {
    if dtype.size() > 4 && device != Device::Cpu {
        let why =
            format!("candidates are 64-bit words of a 32-bit key and the position, and {dtype} has 64 bits");
        return Err(Error::unsupported(NAME, device, why));
    }
    Ok(())
}
