//! The codes of a scalar quantiser: 8, 6 or 4 bits for each element of a vector.
//!
//! # Math
//! With the least number l and the width w of column j, and m = 2^bits - 1: word(i, j) = floor(m (x_ij - l) / w), at least 0 and at most m; 0 where w is 0 and
//! where x is no number. It stands for l + (word + 1/2) w / m, the middle of its step.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]`, d >= 1 | any strides | f32 |
//! | ranges | `[2, d]`: least numbers and widths, of [`sq_train`](super::sq_train()) | any strides | f32 |
//! | codes | `[n, ceil(d bits / 8)]` | row-major | u8 |
//!
//! The words of a row are one string of bits: word j is bits `bits j` to `bits (j + 1) - 1`, and bit i is bit i % 8 of byte i / 8. Bits after the last word are 0.
//! These are faiss's codes of `QT_8bit`, `QT_6bit` and `QT_4bit`.
//!
//! # Numerics
//! In f32, three roundings: a number within them of the end of a step may get the next word, which is as near. Deterministic.
//!
//! # Constraints
//! Differences have to stay below f32's greatest number.
//!
//! # Sources
//! The scalar quantiser of faiss, for the codes.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{SqEncode, sq_decode, sq_encode};
//!
//! let ranges = Tensor::from_vec(vec![0.0f32, 0.0, 15.0, 30.0], [2, 2])?;
//! let x = Tensor::from_vec(vec![3.2f32, 9.0], [1, 2])?;
//! let codes = sq_encode(&Stream::cpu(), &x, &ranges, &SqEncode { bits: 4 })?;
//! assert_eq!(codes.to_vec::<u8>()?, [3 + 16 * 4]);
//! assert_eq!(sq_decode(&codes, &ranges, 4)?.to_vec::<f32>()?, [3.5, 9.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
pub(super) mod reference;

use tilewright_core::{Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::product::check_rows;
use super::scalar::{Scalar, check_ranges};

const NAME: &str = "sq_encode";

/// Arguments of [`sq_encode`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqEncode {
    /// Bits of an element's code: 8, 6 or 4. Default 8.
    pub bits: usize,
}

impl Default for SqEncode {
    fn default() -> Self {
        Self { bits: 8 }
    }
}

/// The codes `[n, bytes]` of the rows of `x`. Fails on shapes, dtypes, bits and devices that do not fit.
pub fn sq_encode(stream: &Stream, x: &Tensor, ranges: &Tensor, args: &SqEncode) -> Result<Tensor> {
    let d = check_ranges(NAME, stream, ranges)?;
    let scalar = Scalar::new(NAME, d, args.bits)?;
    check_rows(NAME, "x", stream, x, d)?;
    let (x, ranges) = (x.to(stream)?, ranges.to(stream)?);
    match stream.device() {
        Device::Cpu => cpu::sq_encode(&x, &ranges, scalar),
        _ => gpu::sq_encode(stream, &x, &ranges, scalar),
    }
}
