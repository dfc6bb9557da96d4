//! Tensors made small for memory and for the network, and moved there and back.
//!
//! [`quantize()`] · [`dequantize()`] · [`requantize()`] · [`pack()`] · [`unpack()`] · [`unpack_into`]
//!
//! Floats become integers of 8 or 4 bits, or floats of 8, with one scale a block of neighbours; tensors become one buffer with checksums. Conversions
//! between float formats are the kernel `copy`'s. A [`Quantized`] tensor is its values and scales.

pub mod dequantize;
#[expect(
    clippy::module_inception,
    reason = "the family is named after one of its kernels, as kernels are after their functions"
)]
pub mod pack;
pub mod quantize;
mod quantized;
pub mod requantize;
pub mod unpack;

mod checksum;
mod moves;
pub(crate) mod samples;
mod sums;

pub use dequantize::{Dequantize, dequantize};
pub use pack::{Packed, pack};
pub use quantize::{Format, Quantize, quantize};
pub use quantized::Quantized;
pub use requantize::requantize;
pub use unpack::{Unpack, unpack, unpack_into};
