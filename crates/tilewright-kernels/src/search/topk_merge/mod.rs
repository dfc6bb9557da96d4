//! The best `k` of several results of a search, for each query.
//!
//! # Math
//! For each query: the first k of all candidates (distance, id) of the p parts in the order of (distance, id), NaN after all numbers. A negative id is no candidate.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | distances | `[p, b, kk]`, each `[kk]` in order | any strides | f32 |
//! | ids | `[p, b, kk]`, negative ones last | any strides | i64 |
//! | distances (out) | `[b, k]` | row-major | f32 |
//! | ids (out) | `[b, k]` | row-major | i64 |
//!
//! Where there are fewer than k candidates, (infinity, -1) fills up. An id that several parts hold stays as often as it comes.
//!
//! # Numerics
//! Exact: comparisons only. Merging the scans of parts of the data is the scan of all of it.
//!
//! # Constraints
//! Each part in order, as scans leave them: an order that is broken gives the best of some candidates. Any p, kk and k.
//!
//! # Sources
//! Knuth, The Art of Computer Programming 3, section 5.2.4, for merging; on a GPU each candidate finds its own place, by a binary search in every other part.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{TopkMerge, topk_merge};
//!
//! let distances = Tensor::from_vec(vec![1.0f32, 4.0, 2.0, 3.0], [2, 1, 2])?;
//! let ids = Tensor::from_vec(vec![10i64, 11, 12, 13], [2, 1, 2])?;
//! let (_, ids) = topk_merge(&Stream::cpu(), &distances, &ids, &TopkMerge { k: 3 })?;
//! assert_eq!(ids.to_vec::<i64>()?, [10, 12, 13]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use crate::arguments::check_tensor;

const NAME: &str = "topk_merge";

/// Arguments of [`topk_merge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopkMerge {
    /// How many. Default 1.
    pub k: usize,
}

impl Default for TopkMerge {
    fn default() -> Self {
        Self { k: 1 }
    }
}

/// The best `k` candidates of each query among those of all parts. Fails on shapes, dtypes and devices that do not fit.
pub fn topk_merge(
    stream: &Stream,
    distances: &Tensor,
    ids: &Tensor,
    args: &TopkMerge,
) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "distances", stream, distances, &[DType::F32])?;
    check_tensor(NAME, "ids", stream, ids, &[DType::I64])?;
    if distances.rank() != 3 {
        return Err(Error::shape(NAME, "distances", "[p, b, kk]", distances.shape()));
    }
    if ids.dims() != distances.dims() {
        return Err(Error::shape(NAME, "ids", distances.shape(), ids.shape()));
    }
    let (distances, ids) = (distances.to(stream)?, ids.to(stream)?);
    match stream.device() {
        Device::Cpu => cpu::topk_merge(&distances, &ids, args.k),
        _ => gpu::topk_merge(stream, &distances, &ids, args.k),
    }
}
