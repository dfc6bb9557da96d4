//! Floats from integers of 8 or 4 bits, or floats of 8, and the scales of their blocks.
//!
//! # Math
//! out = value * scale, with the scale of the value's block.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | values | `[.., n]` of 8 bits, `[.., ceil(n / 2)]` of 4 | any strides | i8, f8e4m3 or f8e5m2 of 8 bits, u8 of 4 (see [`quantize`](super::quantize())) |
//! | scales | `[.., ceil(n / block)]` | any strides | f32 |
//! | out | `[.., n]` | row-major | f32, f16, bf16 |
//!
//! # Numerics
//! The product in f32, rounded once, then to the dtype of `out`: the same bytes on every device, but that a NaN may have another form. Half a byte
//! holds -8 to 7, though `quantize` writes no -8.
//!
//! # Constraints
//! As [`quantize`](super::quantize()). `n` says whether the last half byte of a row counts.
//!
//! # Sources
//! As [`quantize`](super::quantize()).
//!
//! # Example
//! ```
//! use tilewright_core::{DType, Stream, Tensor};
//! use tilewright_kernels::pack::{Dequantize, dequantize};
//!
//! let (values, scales) = (Tensor::from_vec(vec![64i8, -127], [1, 2])?, Tensor::from_vec(vec![0.5f32], [1, 1])?);
//! let out = dequantize(&Stream::cpu(), &values, &scales, &Dequantize { n: 2, ..Dequantize::default() })?;
//! assert_eq!(out.to_vec::<f32>()?, [32.0, -63.5]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
pub(crate) mod cpu;
mod gpu;
pub(crate) mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::quantize::{Format, extents};
use crate::arguments::{check_dtype, check_tensor};

const NAME: &str = "dequantize";
pub(crate) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// The functions of bodies that read values.
pub(crate) const NUMBERS: &str =
    concat!(include_str!("../floats.header.metal"), include_str!("gpu.header.metal"));

/// Arguments of [`dequantize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dequantize {
    /// 8 or 4 (of integers). Default 8.
    pub bits: usize,
    /// What values are. Default integers.
    pub format: Format,
    /// Neighbours that share a scale, as they were quantised; 0 for the whole row. Default 32.
    pub block: usize,
    /// Elements of a row. Default 0.
    pub n: usize,
    /// The dtype of the result. Default f32.
    pub dtype: DType,
}

impl Default for Dequantize {
    fn default() -> Self {
        Self { bits: 8, format: Format::Int, block: 32, n: 0, dtype: DType::F32 }
    }
}

struct Plan {
    rows: usize,
    n: usize,
    width: usize,
    block: usize,
    blocks: usize,
    format: Format,
    bits: usize,
    dtype: DType,
    out: Vec<usize>,
}

/// The floats of `values` and `scales`. Fails on a dtype, shape or argument that does not fit.
pub fn dequantize(stream: &Stream, values: &Tensor, scales: &Tensor, args: &Dequantize) -> Result<Tensor> {
    let [width, block, blocks] = extents(NAME, args.n, args.format, args.bits, args.block)?;
    check_tensor(NAME, "values", stream, values, &[args.format.stored(args.bits).0])?;
    check_tensor(NAME, "scales", stream, scales, &[DType::F32])?;
    check_dtype(NAME, "dtype", args.dtype, DTYPES)?;
    let outer = match values.dims().split_last() {
        Some((&last, outer)) if last == width => outer,
        _ => return Err(Error::shape(NAME, "values", format!("[.., {width}]"), values.shape())),
    };
    let expected = [outer, &[blocks]].concat();
    if scales.dims() != expected {
        return Err(Error::shape(NAME, "scales", format!("{expected:?}"), scales.shape()));
    }
    let out = [outer, &[args.n]].concat();
    let rows = outer.iter().product();
    let (format, bits, dtype) = (args.format, args.bits, args.dtype);
    let plan = Plan { rows, n: args.n, width, block, blocks, format, bits, dtype, out };
    match stream.device() {
        Device::Cpu => cpu::dequantize(values, scales, &plan),
        _ => gpu::dequantize(stream, values, scales, &plan),
    }
}
