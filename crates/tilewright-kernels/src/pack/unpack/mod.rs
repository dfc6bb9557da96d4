//! Scatters packed bytes into a tensor, its axes in any order, with the checksum of what came, in one pass.
//!
//! # Math
//! `out = packed.permute(axes)`, row-major, with `packed` the row-major tensor of `shape` that `bytes` holds; the checksum of [`pack`](super::pack()).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | bytes | `[n]`, as many as `shape` and `dtype` need | row-major, others are copied | u8 |
//! | out | `shape` in the order of `axes` | row-major | `dtype` |
//! | checksum | `[1]` | row-major | u64 |
//!
//! # Numerics
//! As [`pack`](super::pack()): compare the checksum with the sender's.
//!
//! # Constraints
//! As [`pack`](super::pack()).
//!
//! # Sources
//! As [`pack`](super::pack()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::pack::{Unpack, unpack};
//!
//! let bytes = Tensor::from_vec(vec![1u8, 2, 3, 4, 5, 6], [6])?;
//! let args = Unpack { dtype: DType::U8, shape: vec![2, 3], axes: vec![1, 0] };
//! let (out, _) = unpack(&Stream::cpu(), &bytes, &args)?;
//! assert_eq!(out.to_vec::<u8>()?, [1, 4, 2, 5, 3, 6]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Layout, Result, Shape, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::moves::Moves;
use crate::arguments::check_tensor;

const NAME: &str = "unpack";

/// Arguments of [`unpack`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// The dtype of the elements.
    pub dtype: DType,
    /// The extents of what was packed.
    pub shape: Vec<usize>,
    /// Its axes in the order that the result has; empty is their own order.
    pub axes: Vec<usize>,
}

impl Unpack {
    /// What takes a packed `x` back as it was.
    pub fn of(x: &Tensor) -> Self {
        Self { dtype: x.dtype(), shape: x.dims().to_vec(), axes: Vec::new() }
    }
}

struct Plan {
    dtype: DType,
    out: Vec<usize>,
    /// Where the result's elements lie in the bytes.
    from: Moves,
    /// Where the bytes' elements lie in the result.
    to: Moves,
}

/// The tensor that `bytes` hold, and their checksum. Fails on a shape, axes or count of bytes that do not fit.
pub fn unpack(stream: &Stream, bytes: &Tensor, args: &Unpack) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "bytes", stream, bytes, &[DType::U8])?;
    let shape = Shape::new(&args.shape)?;
    let rank = shape.rank();
    let axes = if args.axes.is_empty() { (0..rank).collect() } else { args.axes.clone() };
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        let expected = format!("each axis of {shape} once");
        return Err(Error::range(NAME, "axes", expected, format!("{:?}", args.axes)));
    }
    let needed = shape.elements().checked_mul(args.dtype.size());
    if bytes.rank() != 1 || Some(bytes.elements()) != needed {
        let expected =
            format!("[{}], what {} elements of {} need", needed.unwrap_or(0), shape.elements(), args.dtype);
        return Err(Error::shape(NAME, "bytes", expected, bytes.shape()));
    }
    let packed = Layout::contiguous(shape);
    let turned = packed.permute(&axes)?;
    // The strides that the packed axes have in the result.
    let row_major = Layout::contiguous(*turned.shape());
    let mut strides = vec![0; rank];
    axes.iter().zip(row_major.strides()).for_each(|(&axis, &stride)| strides[axis] = stride);
    let plan = Plan {
        dtype: args.dtype,
        out: turned.shape().dims().to_vec(),
        from: Moves::new(NAME, "axes", turned.shape().dims(), turned.strides())?,
        to: Moves::new(NAME, "axes", shape.dims(), &strides)?,
    };
    match stream.device() {
        Device::Cpu => cpu::unpack(bytes, &plan),
        _ => gpu::unpack(stream, bytes, &plan),
    }
}
