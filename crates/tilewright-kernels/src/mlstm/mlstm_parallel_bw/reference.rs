//! The truth: all pairs of tokens, with the error bounds of one chunk.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_chunkwise_bw::reference::{Form, Gradients, Loss, mlstm_chunkwise_bw};
use crate::mlstm::mlstm_sequence::reference::Numbers;

pub(super) fn mlstm_parallel_bw(
    x: &Numbers,
    loss: &Loss,
    cell: &Mlstm,
    exact: bool,
    sums: DType,
) -> Gradients {
    mlstm_chunkwise_bw(x, loss, cell, exact, Form::of_chunks(x.s.max(1)), sums)
}
