//! GPU path: a threadgroup for each query and list.

use tilewright_core::{Result, Stream, Tensor};

use super::{IvfScanTopk, NAME};
use crate::search::device::{Lists, scan};
use crate::search::vectors::Vectors;

pub(super) fn ivf_scan_topk(
    stream: &Stream,
    vectors: &Vectors,
    lists: &Lists,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    scan(NAME, stream, vectors, args.metric, args.k, Some(lists))
}
