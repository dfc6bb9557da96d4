//! Memory in runs of 16 bytes, which is what a thread of a GPU reads best at a time.

use tilewright_core::Tensor;

/// `load_run`, `store_run` and what they are made of.
pub(crate) const RUNS: &str = include_str!("runs.header.metal");
/// Bytes of a run.
pub(crate) const RUN: usize = 16;

/// Whether a tensor's elements begin on a run as a launch sees them: what is not row-major is copied, and memory begins on a multiple of 32 bytes.
pub(crate) fn begins_run(tensor: &Tensor) -> bool {
    !tensor.is_contiguous() || (tensor.layout().offset() * tensor.dtype().size()).is_multiple_of(RUN)
}
