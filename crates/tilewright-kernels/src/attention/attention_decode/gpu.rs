//! GPU path: a group has a part of a sequence and up to eight queries of one head of keys, whose rows it reads once for all of them; where a sequence
//! has several parts, a second launch merges them.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Layout, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::{NAME, Paged, Plan, pitch};
use crate::attention::{Attended, SCORES};
use crate::pack::dequantize::NUMBERS;
use crate::pack::quantize::extents;

/// Threads of a group: `MEMBERS` of the body SIMD groups.
const THREADS: usize = 128;
/// Columns of keys and of values, and the queries for which a group then has room in registers and threadgroup memory. The second is for latent
/// vectors of 512 with 64 rotated columns.
const ROOM: [(usize, usize, usize); 2] = [(256, 256, 8), (576, 512, 4)];
/// Formats of the body beside those of small numbers, whose halves of bytes are `NIBBLES`.
const PLAIN: usize = 4;
const NIBBLES: usize = 1;
/// Tokens of the least part worth a group of its own.
const LEAST: usize = 256;

static PARTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("attention_decode", include_str!("gpu.metal"))
        .header([SCORES, NUMBERS, include_str!("gpu.header.metal")].concat())
        .template("T")
        .template("O")
        .template("GROUP")
        .template("COLUMNS")
        .template("WHOLE")
        .template("WIDEST")
        .template("K_FORMAT")
        .template("V_FORMAT")
        .input("q")
        .input("k")
        .input("v")
        .input("k_scales")
        .input("v_scales")
        .input("table")
        .input("lengths");
    let sizes = [
        "heads",
        "kv_heads",
        "d",
        "dv",
        "blocks",
        "block",
        "entries",
        "splits",
        "passes",
        "window",
        "keep",
        "k_pitch",
        "v_pitch",
        "k_group",
        "v_group",
        "k_scale_pitch",
        "v_scale_pitch",
    ];
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

/// A cache as the body reads it.
struct Held {
    rows: Tensor,
    scales: Tensor,
    format: usize,
    /// Elements, or bytes of small numbers, from one row to the next.
    pitch: usize,
    /// Numbers of a scale.
    group: usize,
    /// Scales from one row to the next.
    scale_pitch: usize,
}

/// Rows of `d` elements, and how far apart they lie. Rows that lie apart are one line of memory to the launch, which would copy what is not
/// row-major.
fn line(x: &Tensor, d: usize) -> Result<(Tensor, usize)> {
    match pitch(x) {
        Some(pitch) if !x.is_contiguous() && !x.is_empty() => {
            let count = (x.elements() / d).saturating_sub(1) * pitch + d;
            let (offset, capacity) = (x.layout().offset(), x.buffer().bytes() / x.dtype().size());
            let line = Layout::strided([count].try_into()?, &[1], offset, capacity)?;
            Ok((Tensor::from_buffer(x.buffer().clone(), x.dtype(), line)?, pitch))
        }
        _ => Ok((x.clone(), d)),
    }
}

impl Held {
    fn of(cache: Paged<'_>, d: usize) -> Result<Self> {
        match cache {
            Paged::Plain(x) => {
                let (rows, pitch) = line(x, d)?;
                // The scales are not read.
                Ok(Held { scales: rows.clone(), rows, format: PLAIN, pitch, group: 1, scale_pitch: 0 })
            }
            Paged::Quantized(x) => {
                let args = x.args();
                let [width, group, groups] = extents(NAME, d, args.format, args.bits, args.block)?;
                let format = args.format.stored(args.bits).1;
                let ((rows, pitch), (scales, scale_pitch)) =
                    (line(x.values(), width)?, line(x.scales(), groups)?);
                Ok(Held { rows, scales, format, pitch, group, scale_pitch })
            }
        }
    }

    /// Whether rows of `d` numbers can be read so many at a time: up to four.
    fn is_aligned(&self, d: usize, by: usize) -> bool {
        // Two numbers of four bits are one byte.
        let pitch = if self.format == NIBBLES { 2 * self.pitch } else { self.pitch };
        // A view that is not row-major is copied first, to where it starts aligned.
        let start = if self.rows.is_contiguous() { self.rows.layout().offset() } else { 0 };
        [d, pitch, start].iter().all(|extent| extent.is_multiple_of(by))
    }
}

pub(super) fn attention_decode(
    stream: &Stream,
    q: &Tensor,
    [k, v]: [Paged<'_>; 2],
    table: &Tensor,
    lengths: &Tensor,
    plan: &Plan,
) -> Result<Attended> {
    let &Plan { b, heads, kv_heads, d, dv, blocks, block, entries, scores, .. } = plan;
    let Some(&(widest, _, most)) = ROOM.iter().find(|room| d <= room.0 && dv <= room.1) else {
        let why = format!("keys of {d} and values of {dv} columns: a group has room for 576 and 512");
        return Err(Error::unsupported(NAME, stream.device(), why));
    };
    if [blocks * block, plan.capacity()].iter().any(|&tokens| tokens > i32::MAX as usize) {
        return Err(Error::unsupported(NAME, stream.device(), "2^31 slots"));
    }
    if b * heads == 0 {
        let out = Tensor::empty(stream, q.dtype(), [b, heads, dv])?;
        return Ok(Attended { out, lse: Tensor::empty(stream, DType::F32, [b, heads])? });
    }
    let group = plan.group();
    let queries = group.next_power_of_two().min(most);
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
    let (k, v) = (Held::of(k, d)?, Held::of(v, dv.max(1))?);
    let whole = k.is_aligned(d, 4) && dv == 32 * columns && v.is_aligned(dv, columns.min(4));
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
        .template("WIDEST", widest)
        .template("K_FORMAT", k.format)
        .template("V_FORMAT", v.format)
        .input("q", q)
        .input("k", &k.rows)
        .input("v", &v.rows)
        .input("k_scales", &k.scales)
        .input("v_scales", &v.scales)
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
        .scalar("k_pitch", k.pitch as u32)
        .scalar("v_pitch", v.pitch as u32)
        .scalar("k_group", k.group as u32)
        .scalar("v_group", v.group as u32)
        .scalar("k_scale_pitch", k.scale_pitch as u32)
        .scalar("v_scale_pitch", v.scale_pitch as u32)
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
