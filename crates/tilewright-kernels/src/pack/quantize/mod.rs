//! Rounds floats to integers of 8 or 4 bits, with one scale for each block of neighbours in a row.
//!
//! # Math
//! Of a block's largest magnitude a and q = 127 or 7: scale = a / q, value = round(x * (q / a)), ties to even; x is about value * scale.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[.., n]`, at least 1 axis | any strides | f32, f16, bf16 |
//! | values | `[.., n]` of 8 bits, `[.., ceil(n / 2)]` of 4 | row-major | i8 of 8 bits, u8 of 4: two's complement, the even element in the low half |
//! | scales | `[.., ceil(n / block)]` | row-major | f32 |
//!
//! # Numerics
//! In f32, each operation rounded once, the quotient q / a first: the same bytes on every device. |x - value * scale| <= (1/2 + 2^-16) scale. A block
//! whose largest magnitude is below 2^-100 becomes 0 with scale 0. A block that holds NaN or an infinity gets the scale NaN and values 0, so that all
//! of it reads back as NaN. Where n is odd, the last half byte of a row of 4 bits is 0.
//!
//! # Constraints
//! `block` is 0, for a whole row, or a power of two from 16 to 1024. Fewer than 2^31 elements on a GPU.
//!
//! # Sources
//! Absolute-maximum scaling in blocks, as in llama.cpp's Q8_0 and Q4_0 (there with scales of 16 bits) and MLX's quantised caches.
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
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "quantize";
const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// Arguments of [`quantize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantize {
    /// 8 or 4. Default 8.
    pub bits: usize,
    /// Neighbours that share a scale: a power of two from 16 to 1024, or 0 for the whole row. Default 32.
    pub block: usize,
}

impl Default for Quantize {
    fn default() -> Self {
        Self { bits: 8, block: 32 }
    }
}

/// Sizes that every path needs.
struct Plan {
    rows: usize,
    n: usize,
    block: usize,
    /// Blocks of a row.
    blocks: usize,
    nibbles: bool,
    values: Vec<usize>,
    scales: Vec<usize>,
}

/// Checks `bits` and `block` and gives the extent of a row's values, its block and its scales.
pub(super) fn extents(operation: &'static str, n: usize, bits: usize, block: usize) -> Result<[usize; 3]> {
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
    let [width, block, blocks] = extents(NAME, n, args.bits, args.block)?;
    let plan = Plan {
        rows: outer.iter().product(),
        n,
        block,
        blocks,
        nibbles: args.bits == 4,
        values: [outer, &[width]].concat(),
        scales: [outer, &[blocks]].concat(),
    };
    match stream.device() {
        Device::Cpu => cpu::quantize(x, &plan),
        _ => gpu::quantize(stream, x, &plan),
    }
}
