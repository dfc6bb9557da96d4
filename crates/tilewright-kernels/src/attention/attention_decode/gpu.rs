//! GPU path: a group has a part of a sequence and up to eight queries of one head of keys, whose rows it reads once for all of them; where a sequence
//! has several parts, a second launch merges them.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::{NAME, Plan};
use crate::attention::{Attended, SCORES, is_aligned};

/// Threads of a group: `MEMBERS` of the body SIMD groups.
const THREADS: usize = 128;
/// Queries that a group's registers have room for.
const QUERIES: usize = 8;
/// Columns of queries and of values that a group has room for (`WIDEST` of the body).
const WIDEST: usize = 256;
/// Tokens of the least part worth a group of its own.
const LEAST: usize = 256;

static PARTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("attention_decode", include_str!("gpu.metal"))
        .header([SCORES, include_str!("gpu.header.metal")].concat())
        .template("T")
        .template("O")
        .template("GROUP")
        .template("COLUMNS")
        .template("WHOLE")
        .input("q")
        .input("k")
        .input("v")
        .input("table")
        .input("lengths");
    let sizes =
        ["heads", "kv_heads", "d", "dv", "blocks", "block", "entries", "splits", "passes", "window", "keep"];
    let definition =
        sizes.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition =
        definition.scalar("scale", DType::F32).scalar("cap", DType::F32).output("out").output("lse");
    Program::new(definition).expect("the definition is valid")
});

static MERGE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("attention_merge", include_str!("merge.metal"))
        .template("O")
        .input("parts")
        .input("marks")
        .scalar("splits", DType::U32)
        .scalar("dv", DType::U32)
        .output("out")
        .output("lse");
    Program::new(definition).expect("the definition is valid")
});

pub(super) fn attention_decode(
    stream: &Stream,
    q: &Tensor,
    [k, v]: [&Tensor; 2],
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    let &Plan { b, heads, kv_heads, d, dv, blocks, block, entries, scores, .. } = plan;
    if d > WIDEST || dv > WIDEST {
        let why = format!("keys of {d} and values of {dv} columns: a group has room for {WIDEST}");
        return Err(Error::unsupported(NAME, stream.device(), why));
    }
    if [blocks * block, plan.capacity()].iter().any(|&tokens| tokens > i32::MAX as usize) {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 slots"));
    }
    if b * heads == 0 {
        let out = Tensor::empty(stream, q.dtype(), [b, heads, dv])?;
        return Ok(Attended { out, lse: Tensor::empty(stream, DType::F32, [b, heads])? });
    }
    let group = plan.group();
    let queries = group.next_power_of_two().min(QUERIES);
    let passes = group.div_ceil(queries);
    let lines = b * kv_heads * passes;
    let splits = match plan.splits {
        0 => {
            // Eight groups of four SIMD groups keep enough reads in flight on a multiprocessor.
            let wanted = 8 * caps(stream.device())?.multiprocessors.unwrap_or(16);
            wanted.div_ceil(lines).clamp(1, (plan.capacity() / LEAST).max(1))
        }
        splits => splits.min(plan.capacity().max(1)),
    };
    let columns = dv.div_ceil(32).next_power_of_two();
    let whole = is_aligned(k, d) && dv == 32 * columns && v.layout().offset().is_multiple_of(columns.min(4));
    let groups = lines * splits;
    if groups > i32::MAX as usize {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 groups"));
    }
    let bounded = |count: usize| count.min(i32::MAX as usize) as u32;
    let dtype = if splits == 1 { q.dtype() } else { DType::F32 };
    let outputs = PARTS
        .launch(stream)
        .template("T", q.dtype())
        .template("O", dtype)
        .template("GROUP", queries)
        .template("COLUMNS", columns)
        .template("WHOLE", whole)
        .input("q", q)
        .input("k", k)
        .input("v", v)
        .input("table", table)
        .input("lengths", lengths)
        .scalar("heads", heads as u32)
        .scalar("kv_heads", kv_heads as u32)
        .scalar("d", d as u32)
        .scalar("dv", dv as u32)
        .scalar("blocks", blocks as u32)
        .scalar("block", block as u32)
        .scalar("entries", entries as u32)
        .scalar("splits", splits as u32)
        .scalar("passes", passes as u32)
        .scalar("window", bounded(scores.window))
        .scalar("keep", bounded(scores.keep))
        .scalar("scale", scores.scale)
        .scalar("cap", scores.cap)
        .output("out", dtype, [b, heads, splits, dv])
        .output("lse", DType::F32, [b, heads, splits])
        .grid(Grid::groups([groups, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [parts, marks] = outputs.try_into().expect("two outputs are declared");
    if splits == 1 {
        return Ok(Attended { out: parts.reshape([b, heads, dv])?, lse: marks.reshape([b, heads])? });
    }
    let outputs = MERGE
        .launch(stream)
        .template("O", q.dtype())
        .input("parts", &parts)
        .input("marks", &marks)
        .scalar("splits", splits as u32)
        .scalar("dv", dv as u32)
        .output("out", q.dtype(), [b, heads, dv])
        .output("lse", DType::F32, [b, heads])
        .grid(Grid::groups([b * heads, 1, 1]), [dv.next_multiple_of(32).clamp(32, 128), 1, 1])
        .run()?;
    let [out, lse] = outputs.try_into().expect("two outputs are declared");
    Ok(Attended { out, lse })
}
