//! Gathers tensors, however they lie, into one buffer to send, with a checksum of each, in one pass.
//!
//! # Math
//! The buffer holds the elements of each tensor in row-major order, each tensor from a multiple of 16 bytes on (zeros between). The checksum of its bytes is a sum
//! over pairs of words of 4 bytes, modulo 2^64: with w(j) word j, filled up with zeros, and k(j) = (j + 1) 0x9e3779b1 modulo 2^32,
//! bytes 0x9e3779b97f4a7c15 + sum of (1 + (w(2i) + k(2i) mod 2^32)) (1 + (w(2i + 1) + k(2i + 1) mod 2^32)).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | any, any number of them | any strides | any |
//! | bytes | `[n]` | row-major | u8 |
//! | checksums | `[tensors]` | row-major | u64 |
//!
//! # Numerics
//! Bytes move unchanged. A sum has no order, so that every device, and [`unpack`](super::unpack()), which walks another way, gives the same. Any change within one
//! word of 4 bytes changes it; others go unseen by a chance of about 2^-32 (NH of UMAC, here with keys that are known: it finds faults, not forgers).
//!
//! # Constraints
//! At most 6 axes that do not merge. Fewer than 2^31 elements a tensor on a GPU.
//!
//! # Sources
//! NH: Black et al., "UMAC: Fast and Secure Message Authentication", 1999; RFC 4418.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::pack::{Unpack, pack, unpack};
//!
//! let x = Tensor::from_vec(vec![1u8, 2, 3, 4, 5, 6], [2, 3])?;
//! let sent = pack(&Stream::cpu(), &[&x.transpose()?])?;
//! assert_eq!(sent.bytes.to_vec::<u8>()?, [1, 4, 2, 5, 3, 6]);
//! let (back, checksum) = unpack(&Stream::cpu(), &sent.bytes, &Unpack::of(&x.transpose()?))?;
//! assert_eq!(back.to_vec::<u8>()?, [1, 4, 2, 5, 3, 6]);
//! assert_eq!(checksum.to_vec::<u64>()?, sent.checksums.to_vec::<u64>()?);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
pub(super) mod reference;
#[cfg(test)]
mod tests;

use std::ops::Range;

use tilewright_core::{Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::moves::Moves;
use crate::arguments::check_device;

const NAME: &str = "pack";

/// Tensors start at multiples of so many bytes.
const ALIGNMENT: usize = 16;

/// What [`pack`] gives.
#[derive(Debug, Clone)]
pub struct Packed {
    /// All tensors, u8 `[n]`.
    pub bytes: Tensor,
    /// Where each lies in `bytes`.
    pub places: Vec<Range<usize>>,
    /// The checksum of each, u64 `[tensors]`.
    pub checksums: Tensor,
}

/// `tensors` in one buffer. Fails on a tensor that lies elsewhere than the work, or in too many axes.
pub fn pack(stream: &Stream, tensors: &[&Tensor]) -> Result<Packed> {
    let mut end = 0;
    let mut parts = Vec::with_capacity(tensors.len());
    let mut places = Vec::with_capacity(tensors.len());
    for x in tensors {
        check_device(NAME, "x", stream, x)?;
        let start = end;
        end = (start + x.bytes()).next_multiple_of(ALIGNMENT);
        parts.push((*x, Moves::new(NAME, "x", x.dims(), x.strides())?));
        places.push(start..start + x.bytes());
    }
    let end = places.last().map_or(0, |place| place.end);
    let (bytes, checksums) = match stream.device() {
        Device::Cpu => cpu::pack(&parts, &places, end)?,
        _ => gpu::pack(stream, &parts, &places, end)?,
    };
    Ok(Packed { bytes, places, checksums })
}
