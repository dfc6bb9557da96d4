//! The truth: all pairs of tokens, with the error bounds of one chunk.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_chunkwise_bw::reference::{Form, Loss, gate_error, gated, mlstm_chunkwise_bw};
use crate::mlstm::mlstm_sequence::reference::{Numbers, mlstm_sequence};

/// `stored`: what rounding to the type of the data costs, in roundoffs of the sums.
pub(super) fn mlstm_parallel_bw(
    x: &Numbers,
    mut loss: Loss,
    o: Option<&[f64]>,
    stored: f64,
    cell: &Mlstm,
    exact: bool,
    sums: DType,
) -> Vec<Vec<(f64, f64)>> {
    let mut form = Form::of_chunks(x.s.max(1));
    let by_o = o.map(|o| {
        let h = mlstm_sequence(x, cell, x.s as f64, sums).h;
        let (dh, by_o) = gated(&loss.h, o, &h, stored);
        form.gate = gate_error(stored);
        loss.h = dh;
        by_o
    });
    mlstm_chunkwise_bw(x, &loss, cell, exact, form, sums).into_iter().take(5).chain(by_o).collect()
}
