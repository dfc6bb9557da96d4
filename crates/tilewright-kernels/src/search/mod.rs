//! Vector search: scans of all rows or of lists of rows for the nearest, merges of what they found, and k-means.
//!
//! - [`flat_scan_topk()`]: the `k` nearest of all rows.
//! - [`ivf_scan_topk()`]: the `k` nearest of the rows of chosen lists.
//! - [`topk_merge()`]: one result of several.
//! - [`kmeans()`]: centroids of the rows.
//!
//! A distance is small where two vectors are near, whatever the [`Metric`]. Results are in the order of (distance, id), NaN after all
//! numbers; where there are fewer rows than asked for, (infinity, -1) fills up.

pub mod flat_scan_topk;
pub mod ivf_scan_topk;
pub mod kmeans;
pub mod topk_merge;

mod best;
mod cuda;
mod device;
mod exact;
mod judge;
mod lanes;
mod metric;
mod samples;
mod scan;
mod tile;
mod vectors;

pub use flat_scan_topk::{FlatScanTopk, flat_scan_topk};
pub use ivf_scan_topk::{IvfScanTopk, ivf_scan_topk};
pub use kmeans::{Kmeans, Start, kmeans};
pub use metric::Metric;
pub use topk_merge::{TopkMerge, topk_merge};
