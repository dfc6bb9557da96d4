//! The truth: for each boundary all pairs of the tokens behind it, from the state there, without the gradients at any other.

use crate::mlstm::mlstm_chunkwise_bw::reference::Gradients;
use crate::mlstm::parts_cases::Given;

/// dC and dn at all boundaries, with error bounds, from those after the last token.
pub(super) fn mlstm_bw_states(given: &Given, last: &[Vec<f64>; 2]) -> [Vec<(f64, f64)>; 2] {
    let (s, starts) = (given.x.s, given.stretches().into_iter().map(|tokens| tokens.start));
    let each: Vec<Gradients> = starts
        .chain([s])
        .enumerate()
        .map(|(boundary, start)| given.gradients(start..s, boundary, last.clone()))
        .collect();
    [5, 6].map(|part: usize| {
        let of_head = |head: usize| {
            each.iter().flat_map(move |by| {
                let own = by[part].len() / given.x.heads;
                by[part][head * own..][..own].to_vec()
            })
        };
        (0..given.x.heads).flat_map(of_head).collect()
    })
}
