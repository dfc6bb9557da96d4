//! The variant for CUDA: the queries that name a list are gathered, and its rows pass the matrix units once for all of them, as those of a scan of all rows do. Each pair of a query and
//! a list has the least scores of the list's groups of 32 rows; the query picks among those of all its lists.

use std::ops::Range;
use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Grid, Program};

use super::{IvfScanTopk, NAME};
use crate::search::cuda::{
    FEW, LEAST, MINIMA, PICKED, Parts, ROWS, STREAM, STREAMS_OF_ONE, VARIANT, WARPS, check_aligned, kind,
    padded_length, picking, prepared, takes,
};
use crate::search::device::{Lists, filled};
use crate::search::vectors::Vectors;

/// Threads of a group that plans.
const THREADS: usize = 256;
/// Groups of threads that pass over rows, at most: several times what the largest chips hold at once.
const GROUPS: usize = 2112;
/// Lists of a query, at most: three numbers of each are in shared memory.
const MOST: usize = 4096;

static LONGEST: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_longest",
        body: include_str!("longest.cuda.cu"),
        inputs: &["offsets"],
        numbers: &["n", "lists"],
        outputs: &["most"],
        ..Parts::default()
    }
    .program()
});

static COUNT: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_count",
        body: include_str!("count.cuda.cu"),
        inputs: &["probes"],
        numbers: &["pairs", "lists"],
        outputs: &["counts"],
        ..Parts::default()
    }
    .program()
});

static PLACE: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_place",
        body: include_str!("place.cuda.cu"),
        inputs: &["offsets", "counts"],
        numbers: &["n", "lists"],
        outputs: &["totals", "starts", "sizes", "work"],
        ..Parts::default()
    }
    .program()
});

static GATHER: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_gather",
        body: include_str!("gather.cuda.cu"),
        inputs: &["probes", "starts"],
        numbers: &["pairs", "lists"],
        outputs: &["members"],
        in_place: &["left"],
        ..Parts::default()
    }
    .program()
});

static NEAREST: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_nearest",
        body: include_str!("nearest.cuda.cu"),
        header: MINIMA,
        templates: &["KIND", "DK", "METRIC", "QUERIES"],
        inputs: &["rounded", "data", "keep", "offsets", "members", "starts", "sizes", "work", "totals"],
        numbers: &["n", "d", "lists", "parts", "pitch"],
        flags: &["filtered"],
        outputs: &["least", "extents"],
        memory: Some(DType::U8),
        ..Parts::default()
    }
    .program()
});

static PICK: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "ivf_pick",
        body: include_str!("pick.cuda.cu"),
        header: PICKED,
        templates: &["KIND", "METRIC", "PER"],
        inputs: &["queries", "data", "ids", "keep", "offsets", "probes", "least", "extents", "bounds"],
        numbers: &["n", "d", "k", "lists", "parts", "pitch", "before"],
        flags: &["labelled", "filtered"],
        in_place: &["distances", "found"],
        memory: Some(DType::U32),
        ..Parts::default()
    }
    .program()
});

/// The variants, the default first.
pub(super) fn variants(
    device: Device,
    b: usize,
    n: usize,
    d: usize,
    k: usize,
    nprobe: usize,
) -> Vec<&'static str> {
    let portable = crate::arguments::only_variant(device);
    let mut known = vec![portable];
    if takes(device, n, d, k) && (1..=MOST).contains(&nprobe) {
        known.push(VARIANT);
        if nprobe <= STREAMS_OF_ONE {
            known.push(STREAM);
        }
        let wish = if n < FEW {
            portable
        } else if b < 2 && nprobe <= STREAMS_OF_ONE {
            STREAM
        } else {
            VARIANT
        };
        known.sort_by_key(|&variant| variant != wish);
    }
    known
}

pub(super) fn scan(
    stream: &Stream,
    vectors: &Vectors,
    lists: &Lists,
    args: &IvfScanTopk,
) -> Result<(Tensor, Tensor)> {
    check_aligned(NAME, vectors)?;
    let (b, k, nprobe) = (vectors.b, args.k, lists.probes.dims()[1]);
    let nlist = lists.offsets.elements() - 1;
    if b == 0 || nlist == 0 {
        return filled(stream, b, k);
    }
    let most = LONGEST
        .launch(stream)
        .input("offsets", lists.offsets)
        .scalar("n", vectors.n as u32)
        .scalar("lists", nlist as u32)
        .output("most", DType::U32, [1])
        .initial_value(0.0)
        .grid(Grid::groups([nlist.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run_one()?;
    let pitch = most.to_vec::<u32>()?[0] as usize;
    if pitch == 0 {
        return filled(stream, b, k);
    }
    let mut distances = Tensor::empty(stream, DType::F32, [b, k])?;
    let mut ids = Tensor::empty(stream, DType::I64, [b, k])?;
    // As many queries at a time as their minima have room for.
    let step = (LEAST / (nprobe * pitch)).max(1);
    let pass = Pass { stream, vectors, lists, args, nlist, pitch };
    for start in (0..b).step_by(step) {
        pass.run(start..b.min(start + step), &mut distances, &mut ids)?;
    }
    Ok((distances, ids))
}

struct Pass<'a> {
    stream: &'a Stream,
    vectors: &'a Vectors,
    lists: &'a Lists<'a>,
    args: &'a IvfScanTopk,
    nlist: usize,
    /// Groups of 32 rows of the longest list.
    pitch: usize,
}

impl Pass<'_> {
    /// The results of some queries, in their places.
    fn run(&self, rows: Range<usize>, distances: &mut Tensor, found: &mut Tensor) -> Result<()> {
        let Pass { stream, vectors, lists, args, nlist, pitch } = *self;
        let (n, d, kind) = (vectors.n, vectors.d as u32, kind(vectors.data.dtype()));
        let (queries, probes) =
            (&vectors.queries.slice(0, rows.clone())?, &lists.probes.slice(0, rows.clone())?);
        let (b, parts) = (rows.len(), probes.dims()[1]);
        let (pairs, all) = (b * parts, nlist as u32);
        let length = padded_length(vectors.d).expect("the variant takes this");
        let (rounded, bounds) = prepared(stream, queries, length, b)?;
        let planning = |threads: usize| (Grid::groups([threads.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1]);
        let by_list = planning(nlist);
        let by_pair = planning(pairs.min(1 << 18));
        let mut counts = COUNT
            .launch(stream)
            .input("probes", probes)
            .scalar("pairs", pairs as u32)
            .scalar("lists", all)
            .output("counts", DType::U32, [nlist])
            .initial_value(0.0)
            .grid(by_pair.0, by_pair.1)
            .run_one()?;
        // No list has more than one tile that is not full.
        let tiles = n / (ROWS * WARPS) + nlist;
        let placed = PLACE
            .launch(stream)
            .input("offsets", lists.offsets)
            .input("counts", &counts)
            .scalar("n", n as u32)
            .scalar("lists", all)
            .output("totals", DType::U32, [2])
            .output("starts", DType::U32, [nlist])
            .output("sizes", DType::U32, [nlist])
            .output("work", DType::U32, [tiles, 2])
            .initial_value(0.0)
            .grid(by_list.0, by_list.1)
            .run()?;
        let [totals, starts, sizes, work] = placed.try_into().expect("four outputs are declared");
        let members = GATHER
            .launch(stream)
            .input("probes", probes)
            .input("starts", &starts)
            .scalar("pairs", pairs as u32)
            .scalar("lists", all)
            .in_place("left", &mut counts)
            .output("members", DType::U32, [pairs])
            .grid(by_pair.0, by_pair.1)
            .run_one()?;
        let no_ids = Tensor::zeros(DType::U32, [1])?.to(stream)?;
        let no_bytes = Tensor::zeros(DType::U8, [1])?.to(stream)?;
        let keep = vectors.keep.as_ref().unwrap_or(&no_bytes);
        // As many queries at a time as a list has about.
        let stage = [16, 32].into_iter().find(|&stage| pairs <= 2 * stage * nlist).unwrap_or(64);
        let nearest = NEAREST
            .launch(stream)
            .template("KIND", kind)
            .template("DK", length)
            .template("METRIC", args.metric as i32)
            .template("QUERIES", stage)
            .input("rounded", &rounded)
            .input("data", &vectors.data)
            .input("keep", keep)
            .input("offsets", lists.offsets)
            .input("members", &members)
            .input("starts", &starts)
            .input("sizes", &sizes)
            .input("work", &work)
            .input("totals", &totals)
            .scalar("n", n as u32)
            .scalar("d", d)
            .scalar("lists", all)
            .scalar("parts", parts as u32)
            .scalar("pitch", pitch as u32)
            .scalar("filtered", vectors.keep.is_some())
            .output("least", DType::F32, [pairs, pitch])
            .output("extents", DType::F32, [n / ROWS + nlist + 1, 2])
            .threadgroup_bytes(2 * stage * length * 2 + 2 * stage * WARPS * 4)
            .grid(Grid::groups([tiles.min(GROUPS), 1, 1]), [WARPS * 32, 1, 1])
            .run()?;
        let [least, extents] = nearest.try_into().expect("two outputs are declared");
        let (threads, per) = picking(b);
        PICK.launch(stream)
            .template("KIND", kind)
            .template("METRIC", args.metric as i32)
            .template("PER", per)
            .input("queries", queries)
            .input("data", &vectors.data)
            .input("ids", vectors.ids.known.as_ref().unwrap_or(&no_ids))
            .input("keep", keep)
            .input("offsets", lists.offsets)
            .input("probes", probes)
            .input("least", &least)
            .input("extents", &extents)
            .input("bounds", &bounds)
            .scalar("n", n as u32)
            .scalar("d", d)
            .scalar("k", args.k as u32)
            .scalar("lists", all)
            .scalar("parts", parts as u32)
            .scalar("pitch", pitch as u32)
            .scalar("before", rows.start as u32)
            .scalar("labelled", vectors.ids.known.is_some())
            .scalar("filtered", vectors.keep.is_some())
            .in_place("distances", distances)
            .in_place("found", found)
            .threadgroup_bytes(3 * 4 * parts)
            .grid(Grid::groups([b, 1, 1]), [threads, 1, 1])
            .run()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Metric;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads these sources.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::compiles;
        use DType::{Bf16, F32, I8, I64, U8, U32};
        compiles(&LONGEST, &[], &[U32, U32]);
        compiles(&COUNT, &[], &[I64, U32]);
        compiles(&PLACE, &[], &[U32; 6]);
        compiles(&GATHER, &[], &[I64, U32, U32, U32]);
        for (dtype, length, metric) in
            [(F32, 128, Metric::L2), (Bf16, 256, Metric::Cosine), (I8, 64, Metric::InnerProduct)]
        {
            let metric = metric as i32;
            let templates = [kind(dtype).into(), length.into(), metric.into(), 32.into()];
            let dtypes = [Bf16, dtype, U8, U32, U32, U32, U32, U32, U32, F32, F32];
            compiles(&NEAREST, &templates, &dtypes);
            let templates = [kind(dtype).into(), metric.into(), 8.into()];
            let dtypes = [dtype, dtype, U32, U8, U32, I64, F32, F32, F32, F32, I64];
            compiles(&PICK, &templates, &dtypes);
        }
    }

    #[test]
    fn the_device_and_the_sizes_decide() {
        assert_eq!(variants(Device::Emulated, 5, 10_000, 128, 10, 4), ["portable"]);
        assert_eq!(variants(Device::Cpu, 5, 10_000, 128, 10, 4), ["cpu"]);
    }
}
