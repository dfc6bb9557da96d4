//! Native path: one group of all rows for all queries; many queries in blocks, so that few rows make work for all threads too.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use super::FlatScanTopk;
use crate::search::scan::{ALONE, GROUP, Group, Scan};
use crate::search::vectors::{Vectors, results, with_vectors};

/// Queries of a block, at most: their packs take a small part of the last-level cache, and the rows are read again for each block only.
const BLOCK: usize = 1024;
/// Queries of a block that is made for the sake of a thread, at least: whole packs of the widest vectors.
const LEAST: usize = 48;

pub(super) fn flat_scan_topk(vectors: &Vectors, args: &FlatScanTopk) -> Result<(Tensor, Tensor)> {
    if args.k == 0 || vectors.b == 0 {
        return results(&[], vectors.b, args.k);
    }
    let (queries, ids) = (vectors.host_queries()?, vectors.host_ids()?);
    let found = with_vectors!(vectors.data.dtype(), T => {
        let (data, keep) = (vectors.data.as_slice::<T>()?, vectors.host_keep()?);
        let of_block = |queries: &[f32]| {
            let (metric, k, d) = (args.metric, args.k, vectors.d);
            let scan = Scan { metric, k, d, queries, data, ids: ids.as_deref(), keep };
            scan.run(&[Group { rows: 0..vectors.n, queries: None }], &[])
        };
        // A scan gives threads rows; of few rows the queries have to be shared out.
        let (threads, groups) = (rayon::current_num_threads(), vectors.n.div_ceil(GROUP).max(1));
        // One group is one thread's: of many small blocks no thread is left with much more than another.
        let shares = if groups == 1 { 8 * threads } else { (2 * threads).div_ceil(groups) };
        let block = vectors.b.div_ceil(shares).next_multiple_of(LEAST).min(BLOCK);
        if vectors.b <= block || vectors.b * vectors.n * vectors.d < ALONE {
            queries.chunks(BLOCK * vectors.d).flat_map(of_block).collect::<Vec<_>>()
        } else {
            queries.par_chunks(block * vectors.d).flat_map_iter(of_block).collect()
        }
    });
    results(&found, vectors.b, args.k)
}
