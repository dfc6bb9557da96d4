//! Native path: the parts' candidates pass by one selection for each query.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::parallel::Each;
use crate::search::best::{Best, Candidate, key_of};
use crate::search::vectors::results;

/// Candidates below which one thread does it all.
const ALONE: usize = 1 << 15;

pub(super) fn topk_merge(distances: &Tensor, ids: &Tensor, k: usize) -> Result<(Tensor, Tensor)> {
    let &[_, b, kk] = distances.dims() else { unreachable!("checked to have three axes") };
    if k == 0 {
        return results(&[], b, k);
    }
    let (distances, ids) = (distances.as_slice::<f32>()?, ids.as_slice::<i64>()?);
    let of_query = |query: usize| -> Vec<Candidate> {
        let mut best = Best::new(k);
        let parts = distances.chunks(b * kk).zip(ids.chunks(b * kk));
        for (distances, ids) in parts {
            let own = query * kk..(query + 1) * kk;
            for (&distance, &id) in distances[own.clone()].iter().zip(&ids[own]) {
                if id >= 0 {
                    best.offer(key_of(distance), id);
                }
            }
        }
        best.sorted()
    };
    let found: Vec<_> = if distances.is_empty() {
        Vec::new()
    } else if distances.len() < ALONE {
        (0..b).map(of_query).collect()
    } else {
        (0..b).into_par_iter().each_made(&of_query).collect()
    };
    results(&found, b, k)
}
