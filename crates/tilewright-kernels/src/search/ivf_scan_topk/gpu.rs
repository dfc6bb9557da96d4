//! GPU path: on CUDA the lists' rows against all queries that name them, elsewhere a threadgroup for each query and list.

use tilewright_core::{Result, Stream, Tensor};

use super::{IvfScanTopk, NAME, cuda};
use crate::arguments::{choose, only_variant};
use crate::search::cuda::{STREAM, VARIANT, misaligned, stream_rows};
use crate::search::device::{Lists, scan};
use crate::search::vectors::Vectors;

pub(super) fn ivf_scan_topk(
    stream: &Stream,
    variant: Option<&str>,
    vectors: &Vectors,
    lists: &Lists,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    let nprobe = lists.probes.dims()[1];
    let known = cuda::variants(stream.device(), vectors.b, vectors.n, vectors.d, args.k, nprobe);
    // The body that takes any view, where it matters.
    let between = misaligned(&vectors.queries) || misaligned(&vectors.data);
    let wish = variant.or_else(|| between.then(|| only_variant(stream.device())));
    match choose(NAME, wish, &known)? {
        VARIANT => cuda::scan(stream, vectors, lists, args),
        STREAM => stream_rows(NAME, stream, vectors, args.metric, args.k, Some(lists)),
        _ => scan(NAME, stream, vectors, args.metric, args.k, Some(lists)),
    }
}
