//! Vector indexes over the `search` kernels.
//!
//! - [`Index`]: vectors by id; trained, added to, removed from and searched from any thread, at the same time.
//! - [`Recipe`]: what an index is made of, as faiss's factory strings write it: `Flat`, `IVF1024,Flat`, `IVF1024,PQ32x4fs,RFlat`, `IVF1024,SQ8`, `OPQ32,IVF1024,PQ32`, `BFlat`.
//! - [`Filter`]: which ids a search may find: a range, a bitmap, a list, or what a function says of them.
//! - [`Snapshot`]: an index at one moment, which nothing changes any more: what searches run on.
//! - [`Index::save`], [`Index::load`]: one checked file, which is searched where it lies.
//! - [`Index::open`], [`Index::checkpoint`]: the same file with an append log beside it, so that no acknowledged change is lost.
//! - [`Neighbours`]: the exact neighbours among more vectors than memory holds.
//!
//! A distance is small where two vectors are near, whatever the metric; results are in the order of (distance, id).
//!
//! ```
//! use tilewright_core::Tensor;
//! use tilewright_search::{Index, Metric, Query};
//!
//! let index = Index::new("IVF2,Flat".parse()?, 2, Metric::L2)?;
//! let points = Tensor::from_vec(vec![0.0f32, 0.0, 0.0, 1.0, 9.0, 9.0, 9.0, 8.0], [4, 2])?;
//! index.train(&points)?;
//! index.add(&points, Some(&[10, 11, 12, 13]))?;
//! let query = Tensor::from_vec(vec![9.0f32, 7.0], [1, 2])?;
//! let found = index.search(&query, &Query { k: 2, nprobe: 1, ..Query::default() })?;
//! assert_eq!(found.ids, [13, 12]);
//! assert_eq!(found.distances, [1.0, 4.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod chunks;
mod coded;
mod file;
mod filter;
mod foreign;
mod index;
mod log;
mod recipe;
mod segment;
mod snapshot;
mod transform;
mod tune;

pub use chunks::Neighbours;
pub use filter::{Filter, NamedIds};
pub use foreign::{read_faiss, write_faiss};
pub use index::Index;
pub use recipe::{Codes, Recipe, Turn};
pub use snapshot::{Found, InRange, Query, Snapshot, Statistics};
pub use tilewright_kernels::search::Metric;
pub use tune::least_nprobe;
