//! Scatters packed bytes into a tensor, its axes in any order, or one that is there and lies anyhow, with the checksum of what came, in one pass.
//!
//! # Math
//! `out = packed.permute(axes)`, row-major, with `packed` the row-major tensor of `shape` that `bytes` holds; the checksum of [`pack`](super::pack()).
//! [`unpack_into`]: the elements of `out` in row-major order are those that `bytes` holds; what lies between them stays.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | bytes | `[n]`, as many as `shape` and `dtype` need | row-major, others are copied | u8 |
//! | out | `shape` in the order of `axes` | row-major | `dtype` |
//! | out of [`unpack_into`] | any, of as many bytes | any strides whose elements neither meet nor interlock; memory of its own | any |
//! | checksum | `[1]` | row-major | u64 |
//!
//! # Numerics
//! As [`pack`](super::pack()): compare the checksum with the sender's.
//!
//! # Constraints
//! As [`pack`](super::pack()). A target is refused where one axis' stride does not reach over the axes with smaller ones, as in every view that slices and
//! permutations make.
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

use std::cmp::Reverse;

use tilewright_core::{DType, Device, Error, Layout, Result, Shape, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::moves::Moves;
use crate::arguments::{check_device, check_tensor};

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

/// How the bytes and the target go together.
struct Plan {
    /// Where the bytes' elements lie in the target, from its first one on.
    to: Moves,
    /// Where the target's elements lie in it, in the order of its memory, and where in the bytes.
    there: Moves,
    from: Moves,
}

impl Plan {
    /// For packed axes of these extents, none 0, that have these strides in the target.
    fn new(argument: &'static str, dims: &[usize], strides: &[usize]) -> Result<Self> {
        // From the outermost axis of the target's memory inwards.
        let mut axes: Vec<usize> = (0..dims.len()).filter(|&axis| dims[axis] > 1).collect();
        axes.sort_by_key(|&axis| Reverse(strides[axis]));
        let mut reach = 0;
        for &axis in axes.iter().rev() {
            if strides[axis] <= reach {
                let why = "is written, so an axis' stride must reach over the axes with smaller ones";
                return Err(Error::layout(NAME, argument, why));
            }
            reach += strides[axis] * (dims[axis] - 1);
        }
        let packed = Layout::contiguous(Shape::new(dims)?);
        let of = |values: &[usize]| axes.iter().map(|&axis| values[axis]).collect::<Vec<_>>();
        Ok(Plan {
            to: Moves::new(NAME, argument, dims, strides)?,
            there: Moves::new(NAME, argument, &of(dims), &of(strides))?,
            from: Moves::new(NAME, argument, &of(dims), &of(packed.strides()))?,
        })
    }
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
    check_count(bytes, &shape, args.dtype)?;
    let turned = *Layout::contiguous(shape).permute(&axes)?.shape();
    let mut out = Tensor::empty(stream, args.dtype, &turned)?;
    // The strides that the packed axes have in the result.
    let mut strides = vec![0; rank];
    axes.iter().zip(out.strides()).for_each(|(&axis, &stride)| strides[axis] = stride);
    let checksum = scatter(stream, bytes, "axes", shape.dims(), &strides, &mut out)?;
    Ok((out, checksum))
}

/// Writes the elements that `bytes` hold into `out`, in its row-major order, wherever that lies, and gives their checksum, u64 `[1]`.
///
/// A view of a larger tensor may be written once it is the only tensor of that memory. Where the checksum is not the sender's, `out` holds what came.
///
/// # Errors
/// A count of bytes that does not fit; `out` on another device, shared with another tensor, or of strides by which elements meet, interlock, or need more than 6 axes.
///
/// # Example
/// ```
/// use tilewright_core::{DType, Stream, Tensor};
/// use tilewright_kernels::pack::unpack_into;
///
/// // A column of three.
/// let whole = Tensor::zeros(DType::U8, [2, 3])?;
/// let layout = *whole.layout();
/// let mut column = whole.slice(1, 1..2)?;
/// drop(whole);
/// unpack_into(&Stream::cpu(), &Tensor::from_vec(vec![7u8, 9], [2])?, &mut column)?;
/// let whole = Tensor::from_buffer(column.buffer().clone(), DType::U8, layout)?;
/// assert_eq!(whole.to_vec::<u8>()?, [0, 7, 0, 0, 9, 0]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
pub fn unpack_into(stream: &Stream, bytes: &Tensor, out: &mut Tensor) -> Result<Tensor> {
    check_tensor(NAME, "bytes", stream, bytes, &[DType::U8])?;
    check_device(NAME, "out", stream, out)?;
    check_count(bytes, out.shape(), out.dtype())?;
    if !out.is_exclusive() {
        return Err(Error::layout(NAME, "out", "is written, but its memory is shared with another tensor"));
    }
    let layout = *out.layout();
    scatter(stream, bytes, "out", layout.shape().dims(), layout.strides(), out)
}

fn check_count(bytes: &Tensor, shape: &Shape, dtype: DType) -> Result<()> {
    let needed = shape.elements().checked_mul(dtype.size());
    if bytes.rank() == 1 && Some(bytes.elements()) == needed {
        return Ok(());
    }
    let expected = format!("[{}], what {} elements of {dtype} need", needed.unwrap_or(0), shape.elements());
    Err(Error::shape(NAME, "bytes", expected, bytes.shape()))
}

/// For packed axes of extents `dims` that have these strides in `out`, which is checked.
fn scatter(
    stream: &Stream,
    bytes: &Tensor,
    argument: &'static str,
    dims: &[usize],
    strides: &[usize],
    out: &mut Tensor,
) -> Result<Tensor> {
    if bytes.is_empty() {
        return Tensor::from_vec(vec![0u64], [1])?.to(stream);
    }
    let plan = Plan::new(argument, dims, strides)?;
    match stream.device() {
        Device::Cpu => cpu::unpack(bytes, &plan, out),
        _ => gpu::unpack(stream, bytes, &plan, out),
    }
}
