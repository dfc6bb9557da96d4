//! The codes of a product quantiser: for each part of a vector the number of the nearest codeword.
//!
//! # Math
//! code(i, j) = the c with the least |x_ij - w_jc|², the lowest one among equals, for part j of row i and word c of part j.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]` | any strides | f32 |
//! | codebooks | `[m, words, d / m]`, words 256 or 16 | any strides | f32 |
//! | codes | `[n, bytes]`; bytes m, or ceil(m / 2) where words is 16 | row-major | u8 |
//!
//! Of 16 words part 2 i is in the low bits of byte i, part 2 i + 1 in the high ones; the last byte's are 0 where m is odd. These are faiss's codes;
//! [`block_codes`](super::block_codes) lays them out for [`pq_scan`](super::pq_scan()).
//!
//! # Numerics
//! Scores are |w|²/2 - x·w in f32, off by at most g (|x||w| + |w|²/2), g = (d / m + 8) u / (1 - (d / m + 8) u): two words whose distances differ by less than four times that may
//! change places (on a GPU: from differences, off by g times the distance). A part that is not finite gets code 0. Deterministic.
//!
//! # Constraints
//! Squares have to stay below f32's greatest number.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), section 3.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::pq_encode;
//!
//! let codebooks = Tensor::from_vec((0..32).map(|w| (w % 16) as f32).collect(), [2, 16, 1])?;
//! let x = Tensor::from_vec(vec![3.2f32, 9.0], [1, 2])?;
//! assert_eq!(pq_encode(&Stream::cpu(), &x, &codebooks)?.to_vec::<u8>()?, [3 + 16 * 9]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::product::{Product, check_rows};

const NAME: &str = "pq_encode";

/// The codes `[n, bytes]` of the rows of `x`. Fails on shapes, dtypes and devices that do not fit.
pub fn pq_encode(stream: &Stream, x: &Tensor, codebooks: &Tensor) -> Result<Tensor> {
    let product = Product::of(NAME, stream, codebooks)?;
    check_rows(NAME, "x", stream, x, product.d())?;
    let (x, codebooks) = (x.to(stream)?, codebooks.to(stream)?);
    match stream.device() {
        Device::Cpu => cpu::pq_encode(&x, &codebooks, product),
        _ => gpu::pq_encode(stream, &x, &codebooks, product),
    }
}
