//! The `k` nearest of the scalar-quantised rows of chosen lists, for each query.
//!
//! # Math
//! Row i of list l stands for the vector of x_j = first_j + word(i, j) step_j, plus centroids(l, j) where there are centroids; step_j = ranges(1, j) / (2^bits - 1) and
//! first_j = ranges(0, j) + step_j / 2. For each query: the first k rows of its lists in the order of (distance, id), with the distances of
//! [`flat_scan_topk`](super::flat_scan_topk()) from those vectors.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, d]`, d >= 1 | any strides | f32 |
//! | codes | `[n, ceil(d bits / 8)]` of [`sq_encode`](super::sq_encode()), list after list | any strides; row-major is read in place | u8 |
//! | ranges | `[2, d]` | any strides | f32 |
//! | offsets | `[nlist + 1]`, ascending, at most n | any strides | u32 |
//! | probes | `[b, nprobe]`, lists of each query, -1 for none | any strides | i64 |
//! | centroids (optional) | `[nlist, d]` | any strides | f32 |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | keep (optional) | `[bytes]`, bit i % 8 of byte i / 8 for row i | any strides | u8; rows whose bit is 0 do not count |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! # Numerics
//! What a code stands for is made of f32 operations that round once each (the reciprocal of 2^bits - 1 times the width, two fused products, the sum with the centroid), so it
//! is the same on every device. Its distance is that of [`ivf_scan_topk`](super::ivf_scan_topk()): f64 rounded once on the CPU, where queries are grouped by list and a list is a
//! product of matrices; f32 sums on a GPU, where the squares of a cosine have to stay in f32's range.
//!
//! # Constraints
//! Fewer than 2^32 - 1 rows. Any k and any ids; on a GPU each 1024 of a greater k are a scan of their own, and ids of 64 bits are sorted first. Offsets and probes out of range are an error on the CPU; a GPU,
//! which cannot look at them first, takes a list that does not exist for an empty one and cuts what lies beyond the rows.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), section 4, for codes of what is left after a list's centroid.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{SqEncode, SqRows, SqScan, sq_encode, sq_scan, sq_train};
//!
//! let cpu = Stream::cpu();
//! let data = Tensor::from_vec(vec![0.0f32, 1.0, 7.0, 8.0, 255.0], [5, 1])?;
//! let ranges = sq_train(&cpu, &data)?;
//! let codes = sq_encode(&cpu, &data, &ranges, &SqEncode::default())?;
//! let offsets = Tensor::from_vec(vec![0u32, 5], [2])?;
//! let probes = Tensor::from_vec(vec![0i64], [1, 1])?;
//! let query = Tensor::from_vec(vec![8.5f32], [1, 1])?;
//! let rows = SqRows { codes: &codes, ranges: &ranges, offsets: &offsets, centroids: None, ids: None, keep: None };
//! let (distances, ids) = sq_scan(&cpu, &query, &rows, &probes, &SqScan { k: 2, ..SqScan::default() })?;
//! assert_eq!((distances.to_vec::<f32>()?, ids.to_vec::<i64>()?), (vec![0.0, 1.0], vec![3, 2]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::Metric;
use super::device::check_lists;
use super::ids::{Ids, check_ids};
use super::scalar::{Scalar, check_ranges};
use crate::arguments::check_tensor;

const NAME: &str = "sq_scan";

/// Arguments of [`sq_scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqScan {
    /// How many. Default 1.
    pub k: usize,
    /// What a distance is. Default L2.
    pub metric: Metric,
    /// Bits of an element's code: 8, 6 or 4. Default 8.
    pub bits: usize,
}

impl Default for SqScan {
    fn default() -> Self {
        Self { k: 1, metric: Metric::L2, bits: 8 }
    }
}

/// Scalar-quantised rows in lists.
#[derive(Clone, Copy)]
pub struct SqRows<'a> {
    /// `[n, ceil(d bits / 8)]`, u8
    pub codes: &'a Tensor,
    /// `[2, d]`, f32
    pub ranges: &'a Tensor,
    /// `[nlist + 1]`, u32
    pub offsets: &'a Tensor,
    /// `[nlist, d]`, f32: what rows are coded without
    pub centroids: Option<&'a Tensor>,
    /// `[n]`, u32 or i64; a row's number without it
    pub ids: Option<&'a Tensor>,
    /// `[bytes]`, u8: a bit for each row
    pub keep: Option<&'a Tensor>,
}

/// What is scanned, checked and on the device.
struct Input {
    queries: Tensor,
    codes: Tensor,
    ranges: Tensor,
    offsets: Tensor,
    probes: Tensor,
    centroids: Option<Tensor>,
    ids: Ids,
    keep: Option<Tensor>,
    scalar: Scalar,
    b: usize,
    n: usize,
}

/// The `k` rows that are nearest to each query among those of the lists that it names: their distances and ids. Fails on shapes, dtypes, bits and devices that do
/// not fit, on the CPU on offsets that do not ascend within the rows and on lists that do not exist.
pub fn sq_scan(
    stream: &Stream,
    queries: &Tensor,
    rows: &SqRows,
    probes: &Tensor,
    args: &SqScan,
) -> Result<(Tensor, Tensor)> {
    let SqRows { codes, ranges, offsets, centroids, ids, keep } = *rows;
    let d = check_ranges(NAME, stream, ranges)?;
    let scalar = Scalar::new(NAME, d, args.bits)?;
    check_tensor(NAME, "queries", stream, queries, &[DType::F32])?;
    let b = match *queries.dims() {
        [b, own] if own == d && b < u32::MAX as usize => b,
        _ => return Err(Error::shape(NAME, "queries", format!("[b, {d}]"), queries.shape())),
    };
    check_tensor(NAME, "codes", stream, codes, &[DType::U8])?;
    let n = match *codes.dims() {
        [n, bytes] if bytes == scalar.bytes() && n < u32::MAX as usize => n,
        _ => {
            let expected = format!("[n, {}] with fewer than 2^32 - 1 rows", scalar.bytes());
            return Err(Error::shape(NAME, "codes", expected, codes.shape()));
        }
    };
    check_lists(NAME, stream, offsets, probes, b)?;
    if let Some(centroids) = centroids {
        check_tensor(NAME, "centroids", stream, centroids, &[DType::F32])?;
        let nlist = offsets.elements() - 1;
        if centroids.dims() != [nlist, d] {
            return Err(Error::shape(NAME, "centroids", format!("[{nlist}, {d}]"), centroids.shape()));
        }
    }
    if let Some(ids) = ids {
        check_ids(NAME, "ids", stream, ids)?;
        if ids.dims() != [n] {
            return Err(Error::shape(NAME, "ids", format!("[{n}]"), ids.shape()));
        }
    }
    if let Some(keep) = keep {
        check_tensor(NAME, "keep", stream, keep, &[DType::U8])?;
        if keep.rank() != 1 || keep.elements() < n.div_ceil(8) {
            let expected = format!("[bytes] with at least {} bytes, a bit for each row", n.div_ceil(8));
            return Err(Error::shape(NAME, "keep", expected, keep.shape()));
        }
    }
    let here = |tensor: Option<&Tensor>| tensor.map(|tensor| tensor.to(stream)).transpose();
    let input = Input {
        queries: queries.to(stream)?,
        codes: codes.to(stream)?,
        ranges: ranges.to(stream)?,
        offsets: offsets.to(stream)?,
        probes: probes.to(stream)?,
        centroids: here(centroids)?,
        ids: Ids::new(stream, ids)?,
        keep: here(keep)?,
        scalar,
        b,
        n,
    };
    match stream.device() {
        Device::Cpu => cpu::sq_scan(&input, args),
        _ => input.ids.named(stream, gpu::sq_scan(stream, &input, args)?),
    }
}
