//! Native path: a group for each list that some query names, with the queries that name it.

use tilewright_core::{Error, Result, Tensor};

use super::{IvfScanTopk, NAME};
use crate::search::device::Lists;
use crate::search::scan::{Group, Scan};
use crate::search::vectors::{Vectors, results, with_vectors};

pub(super) fn ivf_scan_topk(
    vectors: &Vectors,
    lists: &Lists,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    let (offsets, probes) = (lists.offsets.as_slice::<u32>()?, lists.probes.as_slice::<i64>()?);
    let ascending = offsets.is_sorted() && offsets.last().is_some_and(|&last| last as usize <= vectors.n);
    if !ascending {
        let expected = format!("ascending and at most {}, the number of rows", vectors.n);
        return Err(Error::range(NAME, "offsets", expected, format!("{:?} at the end", offsets.last())));
    }
    let nlist = offsets.len() - 1;
    if let Some(wrong) = probes.iter().find(|&&list| list < -1 || list >= nlist as i64) {
        return Err(Error::range(NAME, "probes", format!("-1 or a list below {nlist}"), wrong));
    }
    if args.k == 0 || vectors.b == 0 {
        return results(&[], vectors.b, args.k);
    }
    let (groups, members) = grouped(offsets, probes, vectors.b);
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
        scan.run(&groups, &members)
    });
    results(&found, vectors.b, args.k)
}

/// The lists that are named, each with its rows and its stretch of the queries' numbers. A query alone keeps the order of its probes, nearest first.
fn grouped(offsets: &[u32], probes: &[i64], b: usize) -> (Vec<Group>, Vec<u32>) {
    let nprobe = probes.len() / b;
    let rows = |list: usize| offsets[list] as usize..offsets[list + 1] as usize;
    if b == 1 {
        let named = probes.iter().filter(|&&list| list >= 0);
        return (
            named.map(|&list| Group { rows: rows(list as usize), queries: Some(0..1) }).collect(),
            vec![0],
        );
    }
    let nlist = offsets.len() - 1;
    let mut starts = vec![0usize; nlist + 1];
    for &list in probes.iter().filter(|&&list| list >= 0) {
        starts[list as usize + 1] += 1;
    }
    for list in 0..nlist {
        starts[list + 1] += starts[list];
    }
    let (mut places, mut members) = (starts.clone(), vec![0u32; starts[nlist]]);
    for (query, probes) in probes.chunks(nprobe.max(1)).enumerate() {
        for &list in probes.iter().filter(|&&list| list >= 0) {
            let place = &mut places[list as usize];
            members[*place] = query as u32;
            *place += 1;
        }
    }
    let group = |list: usize| Group { rows: rows(list), queries: Some(starts[list]..starts[list + 1]) };
    ((0..nlist).filter(|&list| starts[list] < starts[list + 1]).map(group).collect(), members)
}
