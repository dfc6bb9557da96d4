//! Native path: values and scales are gathered, then multiplied.

use tilewright_core::{Result, Stream, Tensor};

use super::KvGatherQuantized;
use crate::cache::{KvGather, kv_gather};
use crate::pack::Quantized;

pub(super) fn kv_gather_quantized(
    stream: &Stream,
    cache: &Quantized,
    table: &Tensor,
    lengths: &Tensor,
    args: &KvGatherQuantized,
) -> Result<Tensor> {
    let rows = KvGather { tokens: args.tokens, layout: args.layout };
    let part = |part: &Tensor| kv_gather(stream, part, table, lengths, &rows);
    let d = cache.dims()[3];
    Quantized::new(part(cache.values())?, part(cache.scales())?, d, *cache.args())?
        .to_float(stream, args.dtype)
}
