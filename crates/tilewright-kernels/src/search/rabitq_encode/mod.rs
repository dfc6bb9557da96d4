//! The codes of RaBitQ: a bit for each element of a vector, and two numbers that make of it an unbiased estimate of inner products.
//!
//! # Math
//! bit(i, j) = 1 where x_ij > 0; s_ij = 2 bit(i, j) - 1. squares(i) = |x_i|², factors(i) = 2 |x_i|² / sum_j |x_ij|, 0 where x_i is 0.
//!
//! Then q·x_i is about factors(i) / 2 · s_i·q, exactly so for q = x_i, and |q - x_i|² about |q|² + squares(i) - factors(i) s_i·q. The estimate is unbiased where the vectors have been turned
//! by a random rotation, and off by O(|q| |x_i| / sqrt d) (theorem 3.2 of the paper).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]`, d >= 1 | any strides | f32 |
//! | codes | `[n, ceil(d / 8)]`, bit j % 8 of byte j / 8 for element j, zeros after them | row-major | u8 |
//! | squares | `[n]` | row-major | f32 |
//! | factors | `[n]` | row-major | f32 |
//!
//! For [`pq_scan()`](super::pq_scan()) four bits are a part of 16 words: the tables of [`pq_lut()`](super::pq_lut()) by the inner product, with the words of each part its patterns of signs, sum to -s·q.
//!
//! # Numerics
//! Sums in f64, rounded once, on the CPU; in f32 on a GPU, off by d roundings. Bits are exact everywhere. A row with a number that is not finite gets
//! whatever follows from it. Deterministic.
//!
//! # Constraints
//! Squares have to stay below f32's greatest number.
//!
//! # Sources
//! Gao and Long, RaBitQ: quantizing high-dimensional vectors with a theoretical error bound for approximate nearest neighbor search (2024), sections 3.1 and 3.2.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::rabitq_encode;
//!
//! let x = Tensor::from_vec(vec![3.0f32, -1.0, 0.0, 0.0], [1, 4])?;
//! let (codes, squares, factors) = rabitq_encode(&Stream::cpu(), &x)?;
//! assert_eq!((codes.to_vec::<u8>()?, squares.to_vec::<f32>()?, factors.to_vec::<f32>()?), (vec![1], vec![10.0], vec![5.0]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "rabitq_encode";

/// The codes `[n, bytes]`, squared lengths and factors `[n]` of the rows of `x`. Fails on shapes, dtypes and devices that do not fit.
pub fn rabitq_encode(stream: &Stream, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    check_tensor(NAME, "x", stream, x, &[DType::F32])?;
    match *x.dims() {
        [n, d] if d > 0 && n < u32::MAX as usize => {}
        _ => {
            let expected = "[n, d] with d >= 1 and fewer than 2^32 - 1 rows";
            return Err(Error::shape(NAME, "x", expected, x.shape()));
        }
    }
    let x = x.to(stream)?;
    match stream.device() {
        Device::Cpu => cpu::rabitq_encode(&x),
        _ => gpu::rabitq_encode(stream, &x),
    }
}
