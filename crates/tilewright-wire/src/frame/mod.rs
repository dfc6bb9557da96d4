//! The frame: named tensors of any dtype in one checked, versioned run of bytes, which is read where it lies.
//!
//! `SPEC.md` beside this crate's `Cargo.toml` says what each byte is, and what readers and writers of different versions owe each other.
//!
//! Writing copies nothing: [`Frame::encode`] makes a header, and [`Encoded::write_to`] hands header and tensors to the system in one vectored
//! write. A tensor with strides is gathered and summed in one pass. Reading copies nothing: tensors are views of the frame's memory, 64-byte
//! aligned.

mod checksum;
mod compress;
mod decode;
mod encode;

#[cfg(feature = "service")]
pub(crate) use decode::Preamble;
pub use decode::{Contents, Entry, Frame};
pub use encode::{Encoded, Item};
pub(crate) use encode::{Payload, row_major, write_all};

use tilewright_core::DType;

/// What every frame begins with. The first byte is no ASCII, so that a channel for text shows.
pub const MAGIC: [u8; 4] = *b"\x89TWF";
/// A reader refuses frames of another major version.
pub const MAJOR: u8 = 1;
/// A reader takes frames of a later minor version, and skips what it does not know.
pub const MINOR: u8 = 0;
/// Bytes before the metadata.
pub const PREAMBLE: usize = 32;
/// Payloads, headers and frames are multiples of this.
pub const ALIGNMENT: usize = 64;

/// The fixed part of a tensor's entry.
const ENTRY: usize = 32;
/// The longest name of a tensor.
const NAME_BYTES: usize = 4096;

/// What a reader takes from a stranger at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a frame. Default 4 GiB.
    pub frame_bytes: u64,
    /// Bytes of a header. Default 16 MiB.
    pub header_bytes: u32,
    /// Tensors of a frame. Default 65,536.
    pub tensors: u32,
    /// Bytes of one tensor once it is decompressed. Default 4 GiB.
    pub tensor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame_bytes: 1 << 32, header_bytes: 16 << 20, tensors: 1 << 16, tensor_bytes: 1 << 32 }
    }
}

/// How a payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is: readers have views of it.
    None,
    /// LZ4 blocks of 1 MiB each, where they are smaller; readers have a copy.
    Lz4,
}

const DTYPES: [(u8, DType); 15] = [
    (1, DType::F64),
    (2, DType::F32),
    (3, DType::F16),
    (4, DType::Bf16),
    (5, DType::F8E4M3),
    (6, DType::F8E5M2),
    (7, DType::I8),
    (8, DType::I16),
    (9, DType::I32),
    (10, DType::I64),
    (11, DType::U8),
    (12, DType::U16),
    (13, DType::U32),
    (14, DType::U64),
    (15, DType::Bool),
];

const UNCOMPRESSED: u8 = 0;
const LZ4: u8 = 1;
const UNCHECKED: u8 = 0;
const CRC32C: u8 = 1;

#[cfg(target_endian = "big")]
compile_error!("tensors are little-endian on the wire and are not turned round");
