//! The `k` rows of bits that differ from each query in the fewest places.
//!
//! # Math
//! distance(q, x) = the number of bits in which q and x differ. For each query: the first k rows in the order of (distance, id).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, bytes]`, bytes >= 1 | any strides | u8, eight bits each |
//! | data | `[n, bytes]` | any strides; row-major is read in place | u8 |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | keep (optional) | `[ceil(n / 8)]` or longer, bit i % 8 of byte i / 8 for row i | any strides | u8; rows whose bit is 0 do not count |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! Where fewer than k rows count, (infinity, -1) fills up.
//!
//! # Numerics
//! Exact: counts below 2^24 are f32's. Deterministic, the same on every device.
//!
//! # Constraints
//! Fewer than 2^32 - 1 rows of at most 2^21 - 1 bytes. Any k and any ids; on a GPU each 1024 of a greater k are a scan of their own, and ids of 64 bits are sorted first.
//!
//! # Sources
//! Norouzi, Punjani and Fleet, Fast exact search in Hamming space with multi-index hashing (2012), section 1, for the problem; Muła, Kurz and Lemire, Faster population
//! counts using AVX2 instructions (2018), for counts side by side.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{HammingScanTopk, hamming_scan_topk};
//!
//! let data = Tensor::from_vec(vec![0b0000_0000u8, 0b1111_0000, 0b0001_0000], [3, 1])?;
//! let query = Tensor::from_vec(vec![0b0011_0000u8], [1, 1])?;
//! let (distances, ids) = hamming_scan_topk(&Stream::cpu(), &query, &data, None, None, &HammingScanTopk { k: 2 })?;
//! assert_eq!((distances.to_vec::<f32>()?, ids.to_vec::<i64>()?), (vec![1.0, 2.0], vec![2, 0]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::vectors::Vectors;

const NAME: &str = "hamming_scan_topk";
/// Bytes of a row, at most: counts of their bits are f32's.
const LONGEST: usize = (1 << 21) - 1;

/// Arguments of [`hamming_scan_topk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HammingScanTopk {
    /// How many. Default 1.
    pub k: usize,
}

impl Default for HammingScanTopk {
    fn default() -> Self {
        Self { k: 1 }
    }
}

/// The `k` rows of `data` that are nearest to each query: their distances and ids. Fails on shapes, dtypes and devices that do not fit.
pub fn hamming_scan_topk(
    stream: &Stream,
    queries: &Tensor,
    data: &Tensor,
    ids: Option<&Tensor>,
    keep: Option<&Tensor>,
    args: &HammingScanTopk,
) -> Result<(Tensor, Tensor)> {
    let rows = Vectors::of(NAME, &[DType::U8], stream, queries, data, ids, keep)?;
    if rows.d > LONGEST {
        return Err(Error::shape(NAME, "data", format!("[n, at most {LONGEST}]"), data.shape()));
    }
    match stream.device() {
        Device::Cpu => cpu::hamming_scan_topk(&rows, args.k),
        _ => rows.ids.named(stream, gpu::hamming_scan_topk(stream, &rows, args.k)?),
    }
}
