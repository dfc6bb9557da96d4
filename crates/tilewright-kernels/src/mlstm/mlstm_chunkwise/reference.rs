//! The truth: the recurrence, which knows nothing of chunks; their length, and the type of factors, enter the error bound alone.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_sequence::reference::{Numbers, Truth, rounded_factors};

pub(super) fn mlstm_chunkwise(x: &Numbers, cell: &Mlstm, chunk: usize, data: DType, sums: DType) -> Truth {
    // bf16 has the range of f32, so that factors may be rounded to it.
    let factor = if data == DType::Bf16 { data.unit_roundoff() / sums.unit_roundoff() } else { 0.0 };
    rounded_factors(x, cell, chunk.min(x.s) as f64, factor, sums)
}
