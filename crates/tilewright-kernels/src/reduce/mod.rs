//! Reductions, scans and selections along one axis of a strided tensor.
//!
//! [`sum()`] · [`max()`] · [`argmax()`] · [`logsumexp()`] ·
//! [`softmax()`] · [`cross_entropy()`] · [`cross_entropy_bw()`] · [`scan()`] · [`top_k()`]
//!
//! A row is what lies along the axis. Every kernel gives the same bits on every run: how a row is cut into blocks depends on
//! its length alone, never on the number of threads, and partial results combine in a fixed tree.

pub mod argmax;
pub mod cross_entropy;
pub mod cross_entropy_bw;
pub mod logsumexp;
pub mod max;
pub mod scan;
pub mod softmax;
pub mod sum;
pub mod top_k;

mod data;
pub(crate) mod exp;
mod fold;
mod geometry;
pub(crate) mod number;
mod registry;
mod rows;

pub use argmax::{Argmax, argmax};
pub use cross_entropy::cross_entropy;
pub use cross_entropy_bw::cross_entropy_bw;
pub use logsumexp::{Logsumexp, logsumexp};
pub use max::{Max, max};
pub use scan::{Scan, scan};
pub use softmax::{Softmax, softmax};
pub use sum::{Mode, Sum, sum};
pub use top_k::{TopK, top_k};
