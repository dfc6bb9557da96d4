//! Rounds floats to integers of 8 or 4 bits, or to floats of 8, with one scale for each block of neighbours in a row.
//!
//! # Math
//! Of a block's largest magnitude a and q = 127 or 7, or 448 (e4m3) or 57,344 (e5m2): scale = a / q, value = round(x * (q / a)), ties to even; x is about
//! value * scale.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n]`, at least 1 axis | any strides | f32, f16, bf16 |
//! | values | `[.., n]` of 8 bits, `[.., ceil(n / 2)]` of 4 | row-major | i8, f8e4m3 or f8e5m2 of 8 bits, u8 of 4: two's complement, the even element in the low half |
//! | scales | `[.., ceil(n / block)]` | row-major | f32 |
//!
//! # Numerics
//! In f32, each operation rounded once, the quotient q / a first: the same bytes on every device. Of integers |x - value * scale| <= (1/2 + 2^-16) scale; floats
//! keep 3 (e4m3) or 2 (e5m2) bits after the first, down to a / 28,672 and a / 3.5e9. A block
//! whose largest magnitude is below 2^-100 becomes 0 with scale 0. A block that holds NaN or an infinity gets the scale NaN and values 0, so that all
//! of it reads back as NaN. Where n is odd, the last half byte of a row of 4 bits is 0.
//!
//! # Constraints
//! `block` is 0, for a whole row, or a power of two from 16 to 1024. Fewer than 2^31 elements on a GPU.
//!
//! # Sources
//! Absolute-maximum scaling in blocks, as in llama.cpp's Q8_0 and Q4_0 (there with scales of 16 bits) and MLX's quantised caches; the 8-bit floats of OCP's
//! OFP8, scaled as vLLM's fp8 caches.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::pack::{Quantize, quantize};
//!
//! let x = Tensor::from_vec(vec![1.0f32, -2.0, 0.5, 0.0], [1, 4])?;
//! let (values, scales) = quantize(&Stream::cpu(), &x, &Quantize::default())?;
//! assert_eq!(values.to_vec::<i8>()?, [64, -127, 32, 0]);
//! assert_eq!(scales.to_vec::<f32>()?, [2.0 / 127.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
pub(crate) mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::{KERNEL, coding};

use crate::arguments::check_tensor;

const NAME: &str = "quantize";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// The functions of bodies that read and write blocks.
pub(crate) const BLOCKS: &str =
    concat!(include_str!("../floats.header.metal"), include_str!("gpu.header.metal"));

/// What values are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Integers.
    #[default]
    Int,
    /// Floats of 8 bits with 4 of exponent.
    E4m3,
    /// Floats of 8 bits with 5 of exponent.
    E5m2,
}

impl Format {
    /// From its name: int, e4m3, e5m2.
    pub(crate) fn of(operation: &'static str, name: &str) -> Result<Self> {
        match name {
            "int" => Ok(Format::Int),
            "e4m3" => Ok(Format::E4m3),
            "e5m2" => Ok(Format::E5m2),
            other => Err(Error::range(operation, "format", "int, e4m3 or e5m2", other)),
        }
    }

    /// The dtype of values of so many bits, and the code of the bodies.
    pub(crate) fn stored(self, bits: usize) -> (DType, usize) {
        match self {
            Format::Int if bits == 4 => (DType::U8, 1),
            Format::Int => (DType::I8, 0),
            Format::E4m3 => (DType::F8E4M3, 2),
            Format::E5m2 => (DType::F8E5M2, 3),
        }
    }
}

/// Arguments of [`quantize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantize {
    /// 8 or 4 (of integers). Default 8.
    pub bits: usize,
    /// What values are. Default integers.
    pub format: Format,
    /// Neighbours that share a scale: a power of two from 16 to 1024, or 0 for the whole row. Default 32.
    pub block: usize,
}

impl Default for Quantize {
    fn default() -> Self {
        Self { bits: 8, format: Format::Int, block: 32 }
    }
}

/// Sizes that every path needs.
struct Plan {
    rows: usize,
    n: usize,
    block: usize,
    /// Blocks of a row.
    blocks: usize,
    format: Format,
    bits: usize,
    values: Vec<usize>,
    scales: Vec<usize>,
}

/// Checks `bits` and `block` and gives the extent of a row's values, its block and its scales.
pub(crate) fn extents(
    operation: &'static str,
    n: usize,
    format: Format,
    bits: usize,
    block: usize,
) -> Result<[usize; 3]> {
    if format != Format::Int && bits != 8 {
        return Err(Error::range(operation, "bits", "8 of a float", bits));
    }
    let width = match bits {
        8 => n,
        4 => n.div_ceil(2),
        _ => return Err(Error::range(operation, "bits", "8 or 4", bits)),
    };
    if block != 0 && !(block.is_power_of_two() && (16..=1024).contains(&block)) {
        return Err(Error::range(operation, "block", "0 or a power of two from 16 to 1024", block));
    }
    let block = if block == 0 { n.max(1) } else { block };
    Ok([width, block, n.div_ceil(block)])
}

/// The values and scales of `x`. Fails on a dtype, rank or argument that does not fit.
pub fn quantize(stream: &Stream, x: &Tensor, args: &Quantize) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    let Some((&n, outer)) = x.dims().split_last() else {
        return Err(Error::shape(NAME, "x", "at least 1 axis", x.shape()));
    };
    let [width, block, blocks] = extents(NAME, n, args.format, args.bits, args.block)?;
    let plan = Plan {
        rows: outer.iter().product(),
        n,
        block,
        blocks,
        format: args.format,
        bits: args.bits,
        values: [outer, &[width]].concat(),
        scales: [outer, &[blocks]].concat(),
    };
    match stream.device() {
        Device::Cpu => cpu::quantize(x, &plan),
        _ => gpu::quantize(stream, x, &plan),
    }
}
