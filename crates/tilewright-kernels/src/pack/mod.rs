//! Tensors made small for memory and for the network.
//!
//! [`quantize()`] · [`dequantize()`]
//!
//! Floats become integers of 8 or 4 bits with one scale a block of neighbours. Conversions between float formats, and gathers of strided views into
//! a buffer, are the kernel `copy`'s.

pub mod dequantize;
pub mod quantize;

mod samples;

pub use dequantize::{Dequantize, dequantize};
pub use quantize::{Quantize, quantize};
