//! Copies any view into row-major order, and converts between any two dtypes on the way.
//!
//! # Math
//! ```text
//! out[i, j, ..] = convert(x[i, j, ..])
//! ```
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | any, at most 8 axes | any strides, 0 included | any |
//! | out | as x | row-major | `dtype`, or as x |
//!
//! # Numerics
//! Every conversion is exact where the target holds the value; otherwise it is the one correctly rounded result, the same bits on every device:
//!
//! | from | to | rule |
//! |---|---|---|
//! | any | the same dtype | the bytes, NaN payloads included; `bool` bytes other than 0 and 1 too |
//! | number | float | one rounding to nearest, ties to even, subnormals kept; too large becomes infinite, in f8e4m3 (no infinity) NaN |
//! | NaN | float | the quiet NaN with the sign of the source and no payload |
//! | float | integer | toward zero; too large or small becomes the largest or smallest; NaN becomes 0 |
//! | integer | integer | too large or small becomes the largest or smallest |
//! | any | bool | x != 0, so NaN is true |
//! | bool | number | 0 or 1 |
//!
//! # Constraints
//! f64 is refused by Metal and by the emulator. `copy_into` refuses a target that is not row-major or that shares its memory.
//!
//! # Sources
//! IEEE 754-2019, section 5.4; OCP OFP8 revision 1.0 for the 8-bit floats. Rounding to odd before a second rounding: Boldo and Melquiond,
//! "Emulation of FMA and correctly rounded sums", IEEE Transactions on Computers 57 (2008).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::elementwise::{CopyTo, copy};
//! let x = Tensor::from_vec(vec![1.0f32, 2.7, -3.9, f32::NAN, 1e9, -1e9], [2, 3])?;
//! let y = copy(&Stream::cpu(), &x.transpose()?, &CopyTo { dtype: Some(DType::I16) })?;
//! assert_eq!(y.dims(), [3, 2]);
//! assert_eq!(y.to_vec::<i16>()?, [1, 0, 2, i16::MAX, -3, i16::MIN]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod convert;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use cases::KERNEL;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use crate::arguments::check_device;

const NAME: &str = "copy";

/// The arguments of [`copy`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyTo {
    /// The dtype of the copy; `None` keeps that of the source.
    pub dtype: Option<DType>,
}

/// A row-major copy of `x`, converted to `args.dtype`. Always new memory.
///
/// # Errors
/// `x` on another device than the stream; f64 on Metal or the emulator.
pub fn copy(stream: &Stream, x: &Tensor, args: &CopyTo) -> Result<Tensor> {
    check_device(NAME, "x", stream, x)?;
    let dtype = args.dtype.unwrap_or(x.dtype());
    check_formats(stream.device(), x.dtype(), dtype)?;
    let mut out = Tensor::empty(stream, dtype, x.shape())?;
    copy_checked(stream, x, &mut out)?;
    Ok(out)
}

/// Copies `x` into `out`, converted to its dtype: memory that is there already is neither allocated nor touched for the first time.
///
/// # Errors
/// `x` or `out` on another device than the stream; `out` of another shape, not row-major, or sharing its memory with
/// another tensor; f64 on Metal or the emulator.
pub fn copy_into(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    check_device(NAME, "x", stream, x)?;
    check_device(NAME, "out", stream, out)?;
    check_formats(stream.device(), x.dtype(), out.dtype())?;
    if out.dims() != x.dims() {
        return Err(Error::shape(NAME, "out", format!("{} as x", x.shape()), out.shape()));
    }
    if !out.is_contiguous() {
        return Err(Error::layout(NAME, "out", "is written, so it must be row-major"));
    }
    if !out.is_exclusive() {
        return Err(Error::layout(NAME, "out", "is written, but its memory is shared with another tensor"));
    }
    copy_checked(stream, x, out)
}

fn copy_checked(stream: &Stream, x: &Tensor, out: &mut Tensor) -> Result<()> {
    match stream.device() {
        _ if x.is_empty() => Ok(()),
        Device::Cpu => cpu::copy(x, out),
        _ => gpu::copy(stream, x, out),
    }
}

fn check_formats(device: Device, from: DType, to: DType) -> Result<()> {
    if matches!(device, Device::Metal(_) | Device::Emulated) && [from, to].contains(&DType::F64) {
        return Err(Error::unsupported(NAME, device, "Metal has no f64"));
    }
    Ok(())
}
