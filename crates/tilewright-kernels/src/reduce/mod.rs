//! Reductions, scans and selections along one axis of a strided tensor.
//!
//! [`sum`](sum::sum) · [`max`](max::max) · [`argmax`](argmax::argmax) · [`logsumexp`](logsumexp::logsumexp) ·
//! [`softmax`](softmax::softmax) · [`scan`](scan::scan) · [`top_k`](top_k::top_k)
//!
//! A row is what lies along the axis. Every kernel gives the same bits on every run: how a row is cut into blocks depends on
//! its length alone, never on the number of threads, and partial results combine in a fixed tree.

pub mod argmax;
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
