//! Vector search: scans of all rows or of lists of rows for the nearest, merges of what they found, and k-means.
//!
//! - [`flat_scan_topk()`]: the `k` nearest of all rows.
//! - [`ivf_scan_topk()`]: the `k` nearest of the rows of chosen lists.
//! - [`topk_merge()`]: one result of several.
//! - [`kmeans()`]: centroids of the rows.
//! - [`pq_train()`], [`pq_encode()`], [`pq_lut()`], [`pq_scan()`]: product quantisation, codes of one or half a byte for each part of a vector.
//! - [`sq_train()`], [`sq_encode()`], [`sq_scan()`], [`sq_decode`]: scalar quantisation, 8, 6 or 4 bits for each element.
//! - [`rabitq_encode()`]: a bit for each element, which [`pq_scan()`] scans too.
//! - [`hamming_scan_topk()`]: the `k` nearest of rows of bits.
//! - [`rerank()`]: the nearest of a few rows for each query, exactly.
//! - [`block_codes`], [`row_codes`]: codes as scans read them, and as they are made.
//!
//! A distance is small where two vectors are near, whatever the [`Metric`]. Results are in the order of (distance, id), NaN after all
//! numbers; where there are fewer rows than asked for, (infinity, -1) fills up.

pub mod flat_scan_topk;
pub mod hamming_scan_topk;
pub mod ivf_scan_topk;
pub mod kmeans;
pub mod pq_encode;
pub mod pq_lut;
pub mod pq_scan;
pub mod pq_train;
pub mod rabitq_encode;
pub mod rerank;
pub mod sq_encode;
pub mod sq_scan;
pub mod sq_train;
pub mod topk_merge;

mod best;
mod bounds;
mod codes;
mod cuda;
mod device;
mod exact;
mod ids;
mod judge;
mod lanes;
mod lookup;
mod metric;
mod pending;
mod product;
mod rivals;
mod rounds;
mod samples;
mod scalar;
mod scan;
#[cfg(test)]
mod tests;
mod tile;
mod vectors;

pub use codes::{BLOCK, block_codes, row_codes};
pub use flat_scan_topk::{FlatScanTopk, flat_scan_topk};
pub use hamming_scan_topk::{HammingScanTopk, hamming_scan_topk};
pub use ivf_scan_topk::{IvfScanTopk, ivf_scan_topk};
pub use kmeans::{Kmeans, Start, kmeans};
pub use metric::Metric;
pub use pq_encode::pq_encode;
pub use pq_lut::{PqLut, pq_lut};
pub use pq_scan::{Coded, PqScan, pq_scan};
pub use pq_train::{PqTrain, pq_train};
pub use rabitq_encode::rabitq_encode;
pub use rerank::{Rerank, rerank};
pub use scalar::sq_decode;
pub use sq_encode::{SqEncode, sq_encode};
pub use sq_scan::{SqRows, SqScan, sq_scan};
pub use sq_train::sq_train;
pub use topk_merge::{TopkMerge, topk_merge};
