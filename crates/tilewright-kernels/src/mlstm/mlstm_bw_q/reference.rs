//! The truth: all pairs of the tokens of a stretch, from the state before it.

use crate::mlstm::parts_cases::Given;

/// The gradient by queries, with error bounds.
pub(super) fn mlstm_bw_q(given: &Given) -> Vec<(f64, f64)> {
    // Nothing behind a stretch reaches its queries.
    let nothing = [given.x.dqk * given.x.dv, given.x.dqk]
        .map(|own| vec![0.0; given.x.heads * given.boundaries() * own]);
    given.of_rows(0, nothing)
}
