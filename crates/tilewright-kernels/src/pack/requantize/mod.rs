//! Integers of 8 bits with scales become integers of 4 bits with scales, without the floats that they stand for.
//!
//! # Math
//! `value' = round(value 7 / 127)`, `scale' = scale 127 / 7`: what was a block's largest magnitude still is.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | values | `[.., n]`, at least 1 axis | any strides | i8 |
//! | scales | `[.., blocks]` | any strides | f32 |
//! | values' | `[.., ceil(n / 2)]` | row-major | u8: two's complement, the even element in the low half |
//! | scales' | as scales | row-major | f32 |
//!
//! # Numerics
//! No value lies half way between two, so values are exact, and -128 becomes -7 as -127 does. Scales are multiplied by 127 / 7 as an f32, rounded once. With what
//! [`quantize`](crate::pack::quantize()) gave in 8 bits an element is off by at most half a step of each: 1/2 scale' + 1/2 scale. Where n is odd, the last half byte
//! of a row is 0.
//!
//! # Constraints
//! Fewer than 2^32 elements on a GPU.
//!
//! # Sources
//! The formats of [`quantize`](crate::pack::quantize()). Four values at a time are multiplied in two pairs of 16 bits: `(226 (value + 128) + 5888) / 4096` is the
//! rounded value and 8 for every byte, as a test says of all of them.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::pack::requantize;
//!
//! let values = Tensor::from_vec(vec![127i8, -64, 9, 10], [1, 4])?;
//! let scales = Tensor::from_vec(vec![0.5f32], [1, 1])?;
//! let (values, scales) = requantize(&Stream::cpu(), &values, &scales)?;
//! assert_eq!(values.to_vec::<u8>()?, [0xc7, 0x10]); // 7 and -4, 0 and 1
//! assert_eq!(scales.to_vec::<f32>()?, [0.5 * 127.0 / 7.0]);
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

use crate::arguments::check_tensor;

const NAME: &str = "requantize";

/// What scales are multiplied by.
const FACTOR: f32 = 127.0 / 7.0;

/// Values of 4 bits and their scales. Fails on a shape, dtype or device that does not fit.
pub fn requantize(stream: &Stream, values: &Tensor, scales: &Tensor) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "values", stream, values, &[DType::I8])?;
    check_tensor(NAME, "scales", stream, scales, &[DType::F32])?;
    let Some((&n, outer)) = values.dims().split_last() else {
        return Err(Error::shape(NAME, "values", "at least 1 axis", values.shape()));
    };
    match scales.dims().split_last() {
        Some((_, others)) if others == outer => (),
        _ => return Err(Error::shape(NAME, "scales", format!("{outer:?} and blocks"), scales.shape())),
    }
    let shape = [outer, &[n.div_ceil(2)]].concat();
    match stream.device() {
        Device::Cpu => cpu::requantize(values, scales, n, &shape),
        _ => gpu::requantize(stream, values, scales, n, &shape),
    }
}
