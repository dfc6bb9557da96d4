//! The `k` nearest of the rows of chosen lists, for each query: the scan of an inverted file.
//!
//! # Math
//! Rows offsets(l) .. offsets(l + 1) of the data are list l. For each query: the first k rows of its lists in the order of (distance, id), with the distances
//! of [`flat_scan_topk`](super::flat_scan_topk()).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, d]`, d >= 1 | any strides | that of data |
//! | data | `[n, d]`, list after list | any strides; row-major is read in place | f32, f16, bf16, i8 |
//! | offsets | `[nlist + 1]`, ascending, at most n | any strides | u32 |
//! | probes | `[b, nprobe]`, lists of each query, -1 for none | any strides | i64 |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | keep (optional) | `[bytes]`, bit i % 8 of byte i / 8 for row i | any strides | u8; rows whose bit is 0 do not count |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! `probes` may be the ids that [`flat_scan_topk`](super::flat_scan_topk()) gives for the centroids. A list that a query names twice is scanned twice.
//!
//! # Numerics
//! As [`flat_scan_topk`](super::flat_scan_topk()): with every list probed the result is the same, bit for bit. On the CPU the queries of a batch are grouped by list, so
//! that a list is a product of matrices and is read once; a query alone passes its lists at the speed of memory.
//!
//! # Constraints
//! Fewer than 2^32 - 1 rows. Any k and any ids; on a GPU each 1024 of a greater k are a scan of `portable`, and ids of 64 bits are sorted first. Offsets and probes out of range are an error on the CPU; a GPU,
//! which cannot look at them first, takes a list that does not exist for an empty one and cuts what lies beyond the rows.
//!
//! - `portable`: every GPU; a threadgroup for each query and list.
//! - `mma`: CUDA from compute capability 8.0 on, d a multiple of 4 up to 256, at most 4096 lists of a query. The queries that name a list are gathered, and its rows are read once for all of them.
//!   The default for several queries, from 2048 rows on. Waits for the length of the longest list.
//! - `stream`: as `mma`, at most 512 lists; each query's rows are read for it. The default for one query.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), section 4, for the inverted file; Johnson, Douze and Jégou, Billion-scale
//! similarity search with GPUs (2017), section 5.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{IvfScanTopk, ivf_scan_topk};
//!
//! let data = Tensor::from_vec(vec![0.0f32, 1.0, 7.0, 8.0, 9.0], [5, 1])?;
//! let offsets = Tensor::from_vec(vec![0u32, 2, 5], [3])?; // {0, 1} and {7, 8, 9}
//! let query = Tensor::from_vec(vec![8.2f32], [1, 1])?;
//! let probes = Tensor::from_vec(vec![1i64], [1, 1])?;
//! let args = IvfScanTopk { k: 2, ..IvfScanTopk::default() };
//! let (_, ids) = ivf_scan_topk(&Stream::cpu(), &query, &data, &offsets, &probes, None, None, &args)?;
//! assert_eq!(ids.to_vec::<i64>()?, [3, 4]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::Metric;
use super::device::{Lists, check_lists};
use super::vectors::Vectors;
use crate::arguments::{choose, only_variant};

const NAME: &str = "ivf_scan_topk";

/// Arguments of [`ivf_scan_topk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IvfScanTopk {
    /// How many. Default 1.
    pub k: usize,
    /// What a distance is. Default L2.
    pub metric: Metric,
}

impl Default for IvfScanTopk {
    fn default() -> Self {
        Self { k: 1, metric: Metric::L2 }
    }
}

/// The `k` rows that are nearest to each query among those of the lists that it names: their distances and ids. Fails on shapes, dtypes and devices that do
/// not fit, on the CPU on offsets that do not ascend within the rows and on lists that do not exist.
#[expect(clippy::too_many_arguments, reason = "six tensors, each with a name of its own")]
pub fn ivf_scan_topk(
    stream: &Stream,
    queries: &Tensor,
    data: &Tensor,
    offsets: &Tensor,
    probes: &Tensor,
    ids: Option<&Tensor>,
    keep: Option<&Tensor>,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    run(stream, None, queries, data, offsets, probes, (ids, keep), args)
}

#[expect(clippy::too_many_arguments, reason = "those of the function, and the variant")]
fn run(
    stream: &Stream,
    variant: Option<&str>,
    queries: &Tensor,
    data: &Tensor,
    offsets: &Tensor,
    probes: &Tensor,
    (ids, keep): (Option<&Tensor>, Option<&Tensor>),
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    let vectors = Vectors::new(NAME, stream, queries, data, ids, keep)?;
    check_lists(NAME, stream, offsets, probes, vectors.b)?;
    let (offsets, probes) = (offsets.to(stream)?, probes.to(stream)?);
    let lists = Lists { offsets: &offsets, probes: &probes };
    if stream.device() == Device::Cpu {
        choose(NAME, variant, &[only_variant(Device::Cpu)])?;
        return cpu::ivf_scan_topk(&vectors, &lists, args);
    }
    vectors.ids.named(stream, gpu::ivf_scan_topk(stream, variant, &vectors, &lists, args)?)
}
