//! The `k` nearest of a few rows for each query, exactly: what a search by codes ends with.
//!
//! # Math
//! For each query q: the first k of the rows that it names, in the order of (distance, id), with the distances of [`flat_scan_topk`](super::flat_scan_topk()).
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, d]`, d >= 1 | any strides | that of data |
//! | data | `[n, d]` | any strides; row-major is read in place | f32, f16, bf16, i8 |
//! | rows | `[b, c]`, rows of the data, -1 for none | any strides | i64 |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! # Numerics
//! As [`flat_scan_topk`](super::flat_scan_topk()): f64 rounded once on the CPU, f32 on a GPU. A row that is named twice comes twice.
//!
//! # Constraints
//! Any k and any ids; on a GPU each 1024 of a greater k are a scan of their own, and ids of 64 bits are sorted first. A row that does not exist is an error on the CPU; a GPU, which cannot look at it first, takes it for none.
//!
//! # Sources
//! Jégou, Tavenard, Douze and Amsaleg, Searching in one billion vectors: re-rank with source coding (2011), for the idea.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{Rerank, rerank};
//!
//! let data = Tensor::from_vec(vec![0.0f32, 1.0, 7.0], [3, 1])?;
//! let query = Tensor::from_vec(vec![6.0f32], [1, 1])?;
//! let rows = Tensor::from_vec(vec![0i64, 2], [1, 2])?;
//! let (distances, ids) = rerank(&Stream::cpu(), &query, &data, &rows, None, &Rerank::default())?;
//! assert_eq!((distances.to_vec::<f32>()?, ids.to_vec::<i64>()?), (vec![1.0], vec![2]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::Metric;
use super::vectors::Vectors;
use crate::arguments::check_tensor;

const NAME: &str = "rerank";

/// Arguments of [`rerank`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rerank {
    /// How many. Default 1.
    pub k: usize,
    /// What a distance is. Default L2.
    pub metric: Metric,
}

impl Default for Rerank {
    fn default() -> Self {
        Self { k: 1, metric: Metric::L2 }
    }
}

/// The `k` nearest of the rows that each query names: their distances and ids. Fails on shapes, dtypes and devices that do not fit, on the CPU on rows that
/// do not exist.
pub fn rerank(
    stream: &Stream,
    queries: &Tensor,
    data: &Tensor,
    rows: &Tensor,
    ids: Option<&Tensor>,
    args: &Rerank,
) -> Result<(Tensor, Tensor)> {
    let vectors = Vectors::new(NAME, stream, queries, data, ids, None)?;
    check_tensor(NAME, "rows", stream, rows, &[DType::I64])?;
    if rows.rank() != 2 || rows.dims()[0] != vectors.b {
        return Err(Error::shape(NAME, "rows", format!("[{}, c]", vectors.b), rows.shape()));
    }
    let rows = rows.to(stream)?;
    match stream.device() {
        Device::Cpu => cpu::rerank(&vectors, &rows, args),
        _ => vectors.ids.named(stream, gpu::rerank(stream, &vectors, &rows, args)?),
    }
}
