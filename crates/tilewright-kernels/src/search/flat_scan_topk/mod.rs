//! The `k` nearest of all rows, for each query.
//!
//! # Math
//! distance(q, x) is `sum (q - x)²` (`l2`), `-q·x` (`ip`) or `1 - q·x / (|q| |x|)` (`cosine`). For each query: the first k rows in the order of
//! (distance, id), NaN after all numbers.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, d]`, d >= 1 | any strides | that of data |
//! | data | `[n, d]` | any strides; row-major is read in place | f32, f16, bf16, i8 |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | keep (optional) | `[bytes]`, bit i % 8 of byte i / 8 for row i | any strides | u8; rows whose bit is 0 do not count |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! Where fewer than k rows count, (infinity, -1) fills up.
//!
//! # Numerics
//! On the CPU a distance is computed in f64 from differences and rounded once to f32; that number decides the order, so the result is the f64 brute-force
//! one, ties by id. A faster f32 product only sorts out what certainly is not among the best: L2's expansion `|q|² + |x|² - 2 q·x` is off by at most
//! `g (2 |q||x| + |x|²)`, g = (d + 8) u / (1 - (d + 8) u), and whatever is within that of the k-th best is computed anew. Data far from the origin
//! for its spread makes many such candidates: the result stays the same, the speed does not.
//! On a GPU sums are in f32: of differences, so an L2 distance is off by at most g times itself; products by g times the sum of their absolute
//! terms. The variant `mma` finds out with products of bf16, whose error it bounds row by row, which rows cannot be among the best, and computes the others in
//! f32. There, too, every result is ordered by (distance, id) of the distances that it shows. Deterministic everywhere.
//!
//! # Constraints
//! Fewer than 2^32 - 1 rows. Any k and any ids; on a GPU each 1024 of a greater k are a scan of `portable`, and ids of 64 bits are sorted first. The memory beside the operands is that of the results, a few times.
//!
//! - `portable`: every GPU.
//! - `mma`: CUDA from compute capability 8.0 on, d a multiple of 4 and at most 256. The default for two queries or more, from 2048 rows on. Beside the results it takes the queries as bf16
//!   and a float for each query and 32 rows, at most 512 MiB of them at a time.
//! - `stream`: as `mma`, but for the memory: each query's rows are read for it, in f32, at the speed of memory. The default for one query, from 2048 rows on.
//!
//! Data larger than memory: scan it in parts with their ids, then [`topk_merge`](super::topk_merge()); the result is that of one scan.
//!
//! # Sources
//! Johnson, Douze and Jégou, Billion-scale similarity search with GPUs (2017), section 5, for a scan as a product with a selection behind it; Higham,
//! Accuracy and Stability of Numerical Algorithms, section 3.1, for the bound.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{FlatScanTopk, flat_scan_topk};
//!
//! let data = Tensor::from_vec(vec![0.0f32, 0.0, 3.0, 4.0, 0.0, 1.0], [3, 2])?;
//! let query = Tensor::from_vec(vec![0.0f32, 0.0], [1, 2])?;
//! let args = FlatScanTopk { k: 2, ..FlatScanTopk::default() };
//! let (distances, ids) = flat_scan_topk(&Stream::cpu(), &query, &data, None, None, &args)?;
//! assert_eq!(distances.to_vec::<f32>()?, [0.0, 1.0]);
//! assert_eq!(ids.to_vec::<i64>()?, [0, 2]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
pub(super) mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{Device, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::Metric;
use super::vectors::Vectors;
use crate::arguments::{choose, only_variant};

const NAME: &str = "flat_scan_topk";

/// Arguments of [`flat_scan_topk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlatScanTopk {
    /// How many. Default 1.
    pub k: usize,
    /// What a distance is. Default L2.
    pub metric: Metric,
}

impl Default for FlatScanTopk {
    fn default() -> Self {
        Self { k: 1, metric: Metric::L2 }
    }
}

/// The `k` rows of `data` that are nearest to each query: their distances and ids. Fails on shapes, dtypes and devices that do not fit.
pub fn flat_scan_topk(
    stream: &Stream,
    queries: &Tensor,
    data: &Tensor,
    ids: Option<&Tensor>,
    keep: Option<&Tensor>,
    args: &FlatScanTopk,
) -> Result<(Tensor, Tensor)> {
    run(stream, None, queries, data, ids, keep, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    queries: &Tensor,
    data: &Tensor,
    ids: Option<&Tensor>,
    keep: Option<&Tensor>,
    args: &FlatScanTopk,
) -> Result<(Tensor, Tensor)> {
    let vectors = Vectors::new(NAME, stream, queries, data, ids, keep)?;
    if stream.device() == Device::Cpu {
        choose(NAME, variant, &[only_variant(Device::Cpu)])?;
        return cpu::flat_scan_topk(&vectors, args);
    }
    vectors.ids.named(stream, gpu::flat_scan_topk(stream, variant, &vectors, args)?)
}
