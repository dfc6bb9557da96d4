//! The truth: the recurrence, which knows nothing of chunks; their length enters the error bound alone.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_sequence::reference::{Numbers, Truth, mlstm_sequence};

pub(super) fn mlstm_chunkwise(x: &Numbers, cell: &Mlstm, chunk: usize, sums: DType) -> Truth {
    mlstm_sequence(x, cell, chunk.min(x.s) as f64, sums)
}
