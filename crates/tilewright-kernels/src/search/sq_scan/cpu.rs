//! Native path: a group for each list that some query names, whose codes become vectors a few at a time, in the cache.

use tilewright_core::{Result, Tensor};

use super::{Input, NAME, SqScan};
use crate::search::device::Lists;
use crate::search::scalar::{CodedRows, Grid};
use crate::search::scan::{Scan, grouped};
use crate::search::vectors::{results, wide_ids};

pub(super) fn sq_scan(input: &Input, args: &SqScan) -> Result<(Tensor, Tensor)> {
    let lists = Lists { offsets: &input.offsets, probes: &input.probes };
    let (offsets, probes) = lists.checked(NAME, input.n)?;
    if args.k == 0 || input.b == 0 {
        return results(&[], input.b, args.k);
    }
    let (groups, members) = grouped(offsets, probes, input.b);
    let centroids = input.centroids.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
    let rows = CodedRows {
        grid: Grid::of(input.ranges.as_slice()?, input.scalar),
        codes: input.codes.as_slice()?,
        centroids: centroids.map(|centroids| (centroids, offsets)),
    };
    let ids = input.ids.known.as_ref().map(wide_ids).transpose()?;
    let scan = Scan {
        metric: args.metric,
        k: args.k,
        d: input.scalar.d,
        queries: input.queries.as_slice()?,
        data: rows,
        ids: ids.as_deref(),
        keep: input.keep.as_ref().map(Tensor::as_slice::<u8>).transpose()?,
    };
    results(&scan.run(&groups, &members), input.b, args.k)
}
