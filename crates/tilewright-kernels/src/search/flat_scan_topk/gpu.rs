//! GPU path: stretches of all rows; with matrix units, groups of rows by their least scores.

use tilewright_core::{Result, Stream, Tensor};

use super::{FlatScanTopk, NAME};
use crate::arguments::{choose, only_variant};
use crate::search::vectors::Vectors;
use crate::search::{cuda, device};

pub(super) fn flat_scan_topk(
    stream: &Stream,
    variant: Option<&str>,
    vectors: &Vectors,
    args: &FlatScanTopk,
) -> Result<(Tensor, Tensor)> {
    let known = cuda::variants(stream.device(), vectors.b, vectors.n, vectors.d, args.k);
    // The body that takes any view, where it matters.
    let between = cuda::misaligned(&vectors.queries) || cuda::misaligned(&vectors.data);
    let wish = variant.or_else(|| between.then(|| only_variant(stream.device())));
    match choose(NAME, wish, &known)? {
        cuda::VARIANT => cuda::scan(NAME, stream, vectors, args.metric, args.k),
        cuda::STREAM => cuda::stream_rows(NAME, stream, vectors, args.metric, args.k, None),
        _ => device::scan(NAME, stream, vectors, args.metric, args.k, None),
    }
}
