//! Native path: one group of all rows for all queries.

use tilewright_core::{Result, Tensor};

use super::FlatScanTopk;
use crate::search::scan::{Group, Scan};
use crate::search::vectors::{Vectors, results, with_vectors};

pub(super) fn flat_scan_topk(vectors: &Vectors, args: &FlatScanTopk) -> Result<(Tensor, Tensor)> {
    if args.k == 0 || vectors.b == 0 {
        return results(&[], vectors.b, args.k);
    }
    let (queries, ids) = (vectors.host_queries()?, vectors.host_ids()?);
    let found = with_vectors!(vectors.data.dtype(), T => {
        let scan = Scan::<T> {
            metric: args.metric,
            k: args.k,
            d: vectors.d,
            queries: &queries,
            data: vectors.data.as_slice()?,
            ids: ids.as_deref(),
            keep: vectors.host_keep()?,
        };
        scan.run(&[Group { rows: 0..vectors.n, queries: None }], &[])
    });
    results(&found, vectors.b, args.k)
}
