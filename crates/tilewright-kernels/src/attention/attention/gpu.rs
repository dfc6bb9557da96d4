//! GPU path: a group has 64 queries of a head, and takes 64 keys at a time.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::{NAME, Plan};
use crate::attention::{Attended, SCORES, is_aligned};

/// Queries of a group (`EDGE` of the body).
const EDGE: usize = 64;
const THREADS: usize = 256;
/// The most columns of values that a group's registers hold.
const COLUMNS: usize = 256;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("attention", include_str!("gpu.metal"))
        .header([SCORES, include_str!("gpu.header.metal")].concat())
        .template("T")
        .template("PARTS")
        .input("q")
        .input("k")
        .input("v");
    let sizes = ["s", "n", "d", "dv", "blocks", "heads", "group", "window", "keep"];
    let definition =
        sizes.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition
        .scalar("causal", DType::Bool)
        .scalar("aligned", DType::Bool)
        .scalar("scale", DType::F32)
        .scalar("cap", DType::F32)
        .output("out")
        .output("lse");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn attention(
    stream: &Stream,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    let &Plan { b, heads, kv_heads, s, t, d, dv, causal, scores } = plan;
    if dv > COLUMNS {
        let why = format!("values of {dv} columns: a group's registers hold {COLUMNS}");
        return Err(Error::unsupported(NAME, stream.device(), why));
    }
    let groups = b * heads * s.div_ceil(EDGE);
    if [s, t, d, groups].iter().any(|&extent| extent > i32::MAX as usize) {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 queries, keys, columns or groups"));
    }
    let (out, lse) = ([b, heads, s, dv], [b, heads, s]);
    if groups == 0 {
        let (out, lse) = (Tensor::empty(stream, q.dtype(), out)?, Tensor::empty(stream, DType::F32, lse)?);
        return Ok(Attended { out, lse });
    }
    let bounded = |count: usize| count.min(i32::MAX as usize) as u32;
    let aligned = is_aligned(q, d) && is_aligned(k, d) && is_aligned(v, dv);
    let outputs = PROGRAM
        .launch(stream)
        .template("T", q.dtype())
        .template("PARTS", dv.div_ceil(64).next_power_of_two())
        .input("q", q)
        .input("k", k)
        .input("v", v)
        .scalar("s", s as u32)
        .scalar("n", t as u32)
        .scalar("d", d as u32)
        .scalar("dv", dv as u32)
        .scalar("blocks", s.div_ceil(EDGE) as u32)
        .scalar("heads", heads as u32)
        .scalar("group", (heads / kv_heads) as u32)
        .scalar("window", bounded(scores.window))
        .scalar("keep", bounded(scores.keep))
        .scalar("causal", causal)
        .scalar("aligned", aligned)
        .scalar("scale", scores.scale)
        .scalar("cap", scores.cap)
        .output("out", q.dtype(), out)
        .output("lse", DType::F32, lse)
        .grid(Grid::groups([groups, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [out, lse] = outputs.try_into().expect("two outputs are declared");
    Ok(Attended { out, lse })
}
