//! Native path: a group for each list that some query names, with the queries that name it.

use tilewright_core::{Result, Tensor};

use super::{IvfScanTopk, NAME};
use crate::search::device::Lists;
use crate::search::scan::{Scan, grouped};
use crate::search::vectors::{Vectors, results, with_vectors};

pub(super) fn ivf_scan_topk(
    vectors: &Vectors,
    lists: &Lists,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    let (offsets, probes) = lists.checked(NAME, vectors.n)?;
    if args.k == 0 || vectors.b == 0 {
        return results(&[], vectors.b, args.k);
    }
    let (groups, members) = grouped(offsets, probes, vectors.b);
    let (queries, ids) = (vectors.host_queries()?, vectors.host_ids()?);
    let found = with_vectors!(vectors.data.dtype(), T => {
        let scan = Scan {
            metric: args.metric,
            k: args.k,
            d: vectors.d,
            queries: &queries,
            data: vectors.data.as_slice::<T>()?,
            ids: ids.as_deref(),
            keep: vectors.host_keep()?,
        };
        scan.run(&groups, &members)
    });
    results(&found, vectors.b, args.k)
}
