//! The scan of all rows for CUDA. The matrix units give each query the least score of each group of 32 or 8 rows, from products of bf16, and what bounds the error; the
//! k-th least upper bound then leaves few groups, whose rows get the distances that are shown, in f32. So the result is that of a scan in f32 of every row.

use std::ops::Range;
use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::Metric;
use super::device::{Lists, filled};
use super::rounds::SELECTED;
use super::vectors::Vectors;

/// Named after the instruction of the matrix units.
pub(super) const VARIANT: &str = "mma";
/// The one that reads rows for each query by itself.
pub(super) const STREAM: &str = "stream";

/// Rows of a group: a warp's, or fewer.
pub(super) const ROWS: usize = 32;
const FEW_ROWS: usize = 8;
/// Warps of a group of threads that finds minima.
pub(super) const WARPS: usize = 4;
/// Elements of `least`, at most: 512 MiB.
pub(super) const LEAST: usize = 1 << 27;
/// Groups of threads that fill a device, about.
const GROUPS: usize = 1024;
/// Buckets of upper bounds of a query: twice as many as k may be.
const BUCKETS: usize = 2 * SELECTED;
/// Groups of threads that stream lists of rows, about, and of one query, at most: no more than the threads of the group that joins what they found.
const STREAMS: usize = 264;
pub(super) const STREAMS_OF_ONE: usize = 512;
/// Threads of one, and how many of them a multiprocessor holds at once.
const STREAMING: usize = 256;
const RESIDENT: usize = 2;
/// Where a device does not tell how many multiprocessors it has.
pub(super) const MULTIPROCESSORS: usize = 132;
/// Rows below which the portable scan, which is one launch where they are few, is no slower.
pub(super) const FEW: usize = 2048;

/// Helpers that every body for CUDA of this family uses.
pub(super) const NEAR: &str = include_str!("near.cuda.header.cu");
/// After it, for bodies that keep the best candidates.
pub(super) const KEPT: &str = include_str!("kept.cuda.header.cu");
/// After it, for the body that picks rows by the minima of their groups.
pub(super) const PICKED: &str =
    concat!(include_str!("kept.cuda.header.cu"), include_str!("pick.cuda.header.cu"));
/// After it, for bodies that find these minima.
pub(super) const MINIMA: &str = include_str!("nearest.cuda.header.cu");
const STREAMED: &str = concat!(include_str!("kept.cuda.header.cu"), include_str!("stream.cuda.header.cu"));

/// A program of a CUDA body: its inputs, numbers, flags and outputs.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) name: &'static str,
    pub(super) body: &'static str,
    /// After [`NEAR`].
    pub(super) header: &'static str,
    pub(super) templates: &'static [&'static str],
    pub(super) inputs: &'static [&'static str],
    pub(super) numbers: &'static [&'static str],
    pub(super) flags: &'static [&'static str],
    pub(super) outputs: &'static [&'static str],
    pub(super) in_place: &'static [&'static str],
    /// The element of `memory`, where the body has some.
    pub(super) memory: Option<DType>,
    /// Of a thread, where the body would take more than the group has room for.
    pub(super) most_registers: Option<u32>,
    /// See [`Definition::early`].
    pub(super) early: bool,
}

impl Parts {
    pub(super) fn program(self) -> Program {
        let mut definition =
            Definition::new(self.name, self.body).header([NEAR, self.header].concat()).cuda_only();
        definition = self.templates.iter().copied().fold(definition, Definition::template);
        definition = self.inputs.iter().copied().fold(definition, Definition::input);
        definition = self.numbers.iter().fold(definition, |all, &name| all.scalar(name, DType::U32));
        definition = self.flags.iter().fold(definition, |all, &name| all.scalar(name, DType::Bool));
        definition = self.in_place.iter().copied().fold(definition, Definition::in_place);
        definition = self.outputs.iter().copied().fold(definition, Definition::output);
        if let Some(dtype) = self.memory {
            definition = definition.threadgroup_memory("memory", dtype);
        }
        if let Some(most) = self.most_registers {
            definition = definition.most_registers(most);
        }
        if self.early {
            definition = definition.early();
        }
        Program::new(definition).expect("the definition is valid")
    }
}

static PREPARE: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_prepare",
        body: include_str!("prepare.cuda.cu"),
        header: MINIMA,
        templates: &["KIND", "DK"],
        inputs: &["queries"],
        numbers: &["b", "padded", "d"],
        outputs: &["rounded", "bounds"],
        ..Parts::default()
    }
    .program()
});

static NEAREST: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_nearest",
        body: include_str!("nearest.cuda.cu"),
        header: MINIMA,
        templates: &["KIND", "DK", "METRIC", "QUERIES", "GROUP"],
        inputs: &["rounded", "data", "keep"],
        numbers: &["n", "d", "b", "splits", "stages", "pitch"],
        flags: &["filtered"],
        outputs: &["least", "extents"],
        memory: Some(DType::U8),
        ..Parts::default()
    }
    .program()
});

static PICK: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_pick",
        body: include_str!("pick.cuda.cu"),
        header: PICKED,
        templates: &["KIND", "METRIC", "PER", "GROUP"],
        inputs: &["queries", "data", "ids", "keep", "least", "extents", "bounds"],
        numbers: &["n", "d", "k", "pitch", "before"],
        flags: &["labelled", "filtered"],
        in_place: &["distances", "found"],
        ..Parts::default()
    }
    .program()
});

static STREAM_ROWS: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_stream",
        body: include_str!("stream.cuda.cu"),
        header: STREAMED,
        templates: &["KIND", "METRIC", "LISTED"],
        inputs: &["queries", "data", "ids", "keep", "offsets", "probes"],
        numbers: &["n", "d", "k", "parts", "cuts", "lists"],
        flags: &["labelled", "filtered"],
        outputs: &["candidates"],
        early: true,
        ..Parts::default()
    }
    .program()
});

static JOIN: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_join",
        body: include_str!("join.cuda.cu"),
        header: STREAMED,
        inputs: &["candidates"],
        numbers: &["parts", "k"],
        outputs: &["distances", "ids"],
        early: true,
        ..Parts::default()
    }
    .program()
});

/// `KIND` of the bodies.
pub(super) fn kind(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Bf16 => 2,
        _ => 3,
    }
}

/// The length that rows are padded to in registers.
pub(super) fn padded_length(d: usize) -> Option<usize> {
    // Rows are read four elements at a time.
    let padded = [64, 128, 256].into_iter().find(|&length| d <= length);
    padded.filter(|_| d.is_multiple_of(4))
}

/// Whether the device has the instructions: bf16 on the matrix units, copies that do not pass registers.
pub(super) fn has_units(device: Device) -> bool {
    let Device::Cuda(_) = device else { return false };
    caps(device).is_ok_and(|caps| caps.is_cuda_of(80))
}

/// The variants of the scan of all rows, the default first.
pub(super) fn variants(device: Device, b: usize, n: usize, d: usize, k: usize) -> Vec<&'static str> {
    let portable = crate::arguments::only_variant(device);
    if !takes(device, n, d, k) {
        return vec![portable];
    }
    // One query alone is read for at the speed of memory.
    match (n < FEW, b < 2) {
        (true, _) => vec![portable, VARIANT, STREAM],
        (false, true) => vec![STREAM, portable, VARIANT],
        (false, false) => vec![VARIANT, portable, STREAM],
    }
}

/// Whether the bodies run this.
pub(super) fn takes(device: Device, n: usize, d: usize, k: usize) -> bool {
    has_units(device) && n > 0 && (1..=SELECTED).contains(&k) && padded_length(d).is_some()
}

/// A view that begins between the units that are read. What does not lie by rows is copied, and memory starts on a multiple of 32 bytes.
pub(super) fn misaligned(tensor: &Tensor) -> bool {
    let size = tensor.dtype().size();
    tensor.is_contiguous() && !(tensor.layout().offset() * size).is_multiple_of(4 * size)
}

/// The best `k` of each query, of all rows.
pub(super) fn scan(
    operation: &'static str,
    stream: &Stream,
    vectors: &Vectors,
    metric: Metric,
    k: usize,
) -> Result<(Tensor, Tensor)> {
    check_aligned(operation, vectors)?;
    let mut distances = Tensor::empty(stream, DType::F32, [vectors.b, k])?;
    let mut ids = Tensor::empty(stream, DType::I64, [vectors.b, k])?;
    if vectors.b * k == 0 {
        return Ok((distances, ids));
    }
    let length = padded_length(vectors.d).expect("the variant takes this");
    // Where the best would come from most of the groups, smaller ones.
    let group = if 8 * k * ROWS >= vectors.n { FEW_ROWS } else { ROWS };
    let groups = vectors.n.div_ceil(ROWS * WARPS) * WARPS * (ROWS / group);
    let no_ids = Tensor::zeros(DType::U32, [1])?.to(stream)?;
    let no_bytes = Tensor::zeros(DType::U8, [1])?.to(stream)?;
    let pass = Pass {
        stream,
        vectors,
        metric,
        k,
        length,
        group,
        groups,
        ids: vectors.ids.known.as_ref().unwrap_or(&no_ids),
        keep: vectors.keep.as_ref().unwrap_or(&no_bytes),
    };
    // As many queries at a time as their minima have room for.
    let most = (LEAST / groups / 64 * 64).max(64);
    for start in (0..vectors.b).step_by(most) {
        pass.run(start..vectors.b.min(start + most), &mut distances, &mut ids)?;
    }
    Ok((distances, ids))
}

/// Refuses views that the bodies do not read.
pub(super) fn check_aligned(operation: &'static str, vectors: &Vectors) -> Result<()> {
    for (argument, tensor) in [("queries", &vectors.queries), ("data", &vectors.data)] {
        if misaligned(tensor) {
            let why = "begins at an address between two units of four elements, which the variant reads";
            return Err(Error::layout(operation, argument, why));
        }
    }
    Ok(())
}

/// The best `k` of each query, of all rows or of the lists that it names, at most [`STREAMS_OF_ONE`] each: every query's rows are read for it.
pub(super) fn stream_rows(
    operation: &'static str,
    stream: &Stream,
    vectors: &Vectors,
    metric: Metric,
    k: usize,
    lists: Option<&Lists>,
) -> Result<(Tensor, Tensor)> {
    check_aligned(operation, vectors)?;
    let (b, n) = (vectors.b, vectors.n);
    let listed = lists.map_or(1, |lists| lists.probes.dims()[1]);
    if b * listed == 0 {
        return filled(stream, b, k);
    }
    let nlist = lists.map_or(1, |lists| lists.offsets.elements().saturating_sub(1));
    // All rows by as many groups as the device holds at once; lists of the usual length in pieces of no less than half a run.
    let (most, least) = if lists.is_some() {
        (STREAMS.div_ceil(b * listed).min(STREAMS_OF_ONE / listed).max(1), STREAMING / 2)
    } else {
        let held = RESIDENT * caps(stream.device())?.multiprocessors.unwrap_or(MULTIPROCESSORS);
        (held.min(STREAMS_OF_ONE), STREAMING)
    };
    let cuts = n.div_ceil(nlist.max(1)).div_ceil(least).clamp(1, most);
    let parts = listed * cuts;
    if b * parts * k > i32::MAX as usize {
        let got = format!("{b} queries of {parts} parts");
        return Err(Error::shape(operation, "queries", "fewer than 2^31 candidates on a GPU", got));
    }
    let [no_ids, no_bytes, no_probes] =
        [DType::U32, DType::U8, DType::I64].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_ids, no_bytes, no_probes) = (no_ids?.to(stream)?, no_bytes?.to(stream)?, no_probes?.to(stream)?);
    let candidates = STREAM_ROWS
        .launch(stream)
        .template("KIND", kind(vectors.data.dtype()))
        .template("METRIC", metric as i32)
        .template("LISTED", lists.is_some())
        .input("queries", &vectors.queries)
        .input("data", &vectors.data)
        .input("ids", vectors.ids.known.as_ref().unwrap_or(&no_ids))
        .input("keep", vectors.keep.as_ref().unwrap_or(&no_bytes))
        .input("offsets", lists.map_or(&no_ids, |lists| lists.offsets))
        .input("probes", lists.map_or(&no_probes, |lists| lists.probes))
        .scalar("n", n as u32)
        .scalar("d", vectors.d as u32)
        .scalar("k", k as u32)
        .scalar("parts", parts as u32)
        .scalar("cuts", cuts as u32)
        .scalar("lists", nlist as u32)
        .scalar("labelled", vectors.ids.known.is_some())
        .scalar("filtered", vectors.keep.is_some())
        .output("candidates", DType::U64, [b, parts * k])
        .grid(Grid::groups([b * parts, 1, 1]), [STREAMING, 1, 1])
        .run_one()?;
    let results = JOIN
        .launch(stream)
        .input("candidates", &candidates)
        .scalar("parts", parts as u32)
        .scalar("k", k as u32)
        .output("distances", DType::F32, [b, k])
        .output("ids", DType::I64, [b, k])
        .grid(Grid::groups([b, 1, 1]), [parts.next_multiple_of(32).max(128), 1, 1])
        .run()?;
    let [distances, ids] = results.try_into().expect("two outputs are declared");
    Ok((distances, ids))
}

/// Queries as bf16 of this length, as many rows as `padded`, and what bounds need of them.
pub(super) fn prepared(
    stream: &Stream,
    queries: &Tensor,
    length: usize,
    padded: usize,
) -> Result<(Tensor, Tensor)> {
    let made = PREPARE
        .launch(stream)
        .template("KIND", kind(queries.dtype()))
        .template("DK", length)
        .input("queries", queries)
        .scalar("b", queries.dims()[0] as u32)
        .scalar("padded", padded as u32)
        .scalar("d", queries.dims()[1] as u32)
        .output("rounded", DType::Bf16, [padded, length])
        .output("bounds", DType::F32, [padded, 4])
        .grid(Grid::groups([padded.div_ceil(8), 1, 1]), [256, 1, 1])
        .run()?;
    let [rounded, bounds] = made.try_into().expect("two outputs are declared");
    Ok((rounded, bounds))
}

/// Threads of the group that picks a query's rows, and `PER` of the body.
pub(super) fn picking(b: usize) -> (usize, usize) {
    // For few queries more threads each, since little else hides the way from memory.
    let threads = if b <= 64 { 512 } else { 256 };
    (threads, BUCKETS / threads)
}

struct Pass<'a> {
    stream: &'a Stream,
    vectors: &'a Vectors,
    metric: Metric,
    k: usize,
    /// Of rows in registers.
    length: usize,
    /// Rows of a group.
    group: usize,
    /// How many: a multiple of what a group of threads has.
    groups: usize,
    ids: &'a Tensor,
    keep: &'a Tensor,
}

impl Pass<'_> {
    /// The results of some queries, in their places.
    fn run(&self, rows: Range<usize>, distances: &mut Tensor, found: &mut Tensor) -> Result<()> {
        let Pass { stream, vectors, metric, k, length, group, groups, ids, keep } = *self;
        let (n, d, kind) = (vectors.n as u32, vectors.d as u32, kind(vectors.data.dtype()));
        let (queries, b) = (&vectors.queries.slice(0, rows.clone())?, rows.len());
        let stage = if b <= 32 { 32 } else { 64 };
        let padded = b.next_multiple_of(stage);
        let (rounded, bounds) = prepared(stream, queries, length, padded)?;
        // Few rows and many queries: then the queries are shared out too.
        let (tiles, stages) = (vectors.n.div_ceil(ROWS * WARPS), padded / stage);
        let splits = GROUPS.div_ceil(tiles).min(stages);
        let each = stages.div_ceil(splits);
        let nearest = NEAREST
            .launch(stream)
            .template("KIND", kind)
            .template("DK", length)
            .template("METRIC", metric as i32)
            .template("QUERIES", stage)
            .template("GROUP", group)
            .input("rounded", &rounded)
            .input("data", &vectors.data)
            .input("keep", keep)
            .scalar("n", n)
            .scalar("d", d)
            .scalar("b", b as u32)
            .scalar("splits", splits as u32)
            .scalar("stages", each as u32)
            .scalar("pitch", groups as u32)
            .scalar("filtered", vectors.keep.is_some())
            .output("least", DType::F32, [b, groups])
            .output("extents", DType::F32, [groups, 2])
            .threadgroup_bytes(2 * stage * length * 2 + 2 * stage * WARPS * (ROWS / group) * 4)
            .grid(Grid::groups([tiles * splits, 1, 1]), [WARPS * 32, 1, 1])
            .run()?;
        let [least, extents] = nearest.try_into().expect("two outputs are declared");
        let (threads, per) = picking(b);
        PICK.launch(stream)
            .template("KIND", kind)
            .template("METRIC", metric as i32)
            .template("PER", per)
            .template("GROUP", group)
            .input("queries", queries)
            .input("data", &vectors.data)
            .input("ids", ids)
            .input("keep", keep)
            .input("least", &least)
            .input("extents", &extents)
            .input("bounds", &bounds)
            .scalar("n", n)
            .scalar("d", d)
            .scalar("k", k as u32)
            .scalar("pitch", groups as u32)
            .scalar("before", rows.start as u32)
            .scalar("labelled", vectors.ids.known.is_some())
            .scalar("filtered", vectors.keep.is_some())
            .in_place("distances", distances)
            .in_place("found", found)
            .grid(Grid::groups([b, 1, 1]), [threads, 1, 1])
            .run()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads these sources.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{Bf16, F16, F32, I8, I64, U8, U32, U64};
        compiles(&JOIN, &[], &[U64, F32, I64]);
        for (dtype, length) in [(F32, 64), (F16, 256), (Bf16, 128), (I8, 128)] {
            let kind = kind(dtype);
            compiles(&PREPARE, &[kind.into(), length.into()], &[dtype, Bf16, F32]);
            for metric in Metric::ALL {
                let templates = [kind.into(), length.into(), (metric as i32).into(), 64.into(), 8.into()];
                compiles(&NEAREST, &templates, &[Bf16, dtype, U8, F32, F32]);
                let templates = [kind.into(), (metric as i32).into(), 8.into(), 8.into()];
                let dtypes = [dtype, dtype, U32, U8, F32, F32, F32, F32, I64];
                compiles(&PICK, &templates, &dtypes);
                let templates = [kind.into(), (metric as i32).into(), true.into()];
                let dtypes = [dtype, dtype, U32, U8, U32, I64, U64];
                compiles(&STREAM_ROWS, &templates, &dtypes);
            }
        }
    }

    #[test]
    fn the_device_and_the_sizes_decide() {
        assert_eq!(variants(Device::Emulated, 5, 10_000, 128, 10), ["portable"]);
        assert_eq!(variants(Device::Cpu, 5, 10_000, 128, 10), ["cpu"]);
        assert_eq!(padded_length(96), Some(128));
        assert!(padded_length(97).is_none() && padded_length(260).is_none());
        assert!(PICKED.contains("LONGEST = 256") && PICKED.contains("MOST_THREADS = 512"));
        // What is kept and what a round adds have room, and so have what is kept and the best of all parts.
        assert!(STREAMED.contains("CAPACITY = 2048") && STREAMED.contains("ROUND = 1024;"));
        const { assert!(SELECTED + 1024 <= 2048 && SELECTED + STREAMS_OF_ONE <= 2048) };
        assert!(NEAR.contains(&format!("TILE = {};", ROWS * WARPS)));
    }
}
