//! GPU path: stretches of all rows.

use tilewright_core::{Result, Stream, Tensor};

use super::{FlatScanTopk, NAME};
use crate::search::device::scan;
use crate::search::vectors::Vectors;

pub(super) fn flat_scan_topk(
    stream: &Stream,
    vectors: &Vectors,
    args: &FlatScanTopk,
) -> Result<(Tensor, Tensor)> {
    scan(NAME, stream, vectors, args.metric, args.k, None)
}
