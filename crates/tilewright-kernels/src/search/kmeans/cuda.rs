//! The variants for CUDA: labels from products on the matrix units, in the way that all of them know or in Hopper's, and means of rows that a stable sort has put
//! together.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program, caps};

use super::gpu::{draw_start, mini_batches, of_length, update};
use super::start::restarts;
use super::{Kmeans, NAME};
use crate::search::cuda::{MULTIPROCESSORS, Parts, has_units, kind, misaligned, padded_length};

pub(super) use crate::search::cuda::VARIANT;

/// Named after Hopper's instruction.
pub(super) const WIDE: &str = "wgmma";

const HEADER: &str = include_str!("gpu.cuda.header.cu");
const STAGED: &str = concat!(include_str!("gpu.cuda.header.cu"), include_str!("stages.cuda.header.cu"));
/// Of the header: centroids of a stage, rows of a warp of the sort, rows of a slice.
const CENTROIDS: usize = 64;
const RUN: usize = 512;
const SLICE: usize = 256;
/// Threads of a group that labels, 32 rows a warp.
const THREADS: usize = 128;
/// Of the header for Hopper: centroids of a stage, rows of a group, 16 a warp, and bytes of the ring, whose memory begins on a multiple of `ALIGNED`.
const STAGE: usize = 128;
const TILE_ROWS: usize = 256;
const RING: usize = 6 << 15;
const ALIGNED: usize = 1024;

static PREPARE: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_prepare",
        body: include_str!("prepare.cuda.cu"),
        header: HEADER,
        templates: &["HALF", "DK", "LEFT", "PANELS"],
        inputs: &["centroids"],
        numbers: &["k", "padded", "d"],
        outputs: &["planes", "half_squares"],
        ..Parts::default()
    }
    .program()
});

static ASSIGN: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_assign",
        body: include_str!("assign.cuda.cu"),
        header: HEADER,
        templates: &["KIND", "DK", "LEFT", "RIGHT"],
        inputs: &["planes", "half_squares", "x"],
        numbers: &["n", "d", "padded"],
        outputs: &["labels"],
        memory: Some(DType::U8),
        ..Parts::default()
    }
    .program()
});

static ASSIGN_STAGES: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_assign_stages",
        body: include_str!("stages.cuda.cu"),
        header: STAGED,
        templates: &["KIND", "DK", "LEFT"],
        inputs: &["planes", "half_squares", "x"],
        numbers: &["n", "d", "padded"],
        outputs: &["labels"],
        memory: Some(DType::U8),
        most_registers: Some(65_536 / (2 * TILE_ROWS as u32)),
        ..Parts::default()
    }
    .program()
});

static COUNT: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_count",
        body: include_str!("count.cuda.cu"),
        header: HEADER,
        inputs: &["labels"],
        numbers: &["n", "k"],
        outputs: &["counts"],
        memory: Some(DType::U32),
        ..Parts::default()
    }
    .program()
});

static OFFSETS: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_offsets",
        body: include_str!("offsets.cuda.cu"),
        header: HEADER,
        inputs: &["counts"],
        numbers: &["k", "stretches"],
        outputs: &["offsets", "totals"],
        ..Parts::default()
    }
    .program()
});

static STARTS: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_starts",
        body: include_str!("starts.cuda.cu"),
        header: HEADER,
        inputs: &["totals"],
        numbers: &["k"],
        outputs: &["starts", "slices_before"],
        ..Parts::default()
    }
    .program()
});

static SORT: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_sort",
        body: include_str!("sort.cuda.cu"),
        header: HEADER,
        inputs: &["labels", "starts", "offsets"],
        numbers: &["n", "k"],
        outputs: &["order"],
        memory: Some(DType::U32),
        ..Parts::default()
    }
    .program()
});

static SUMS: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_sums",
        body: include_str!("sums.cuda.cu"),
        header: HEADER,
        templates: &["KIND"],
        inputs: &["x", "order", "starts", "slices_before", "totals"],
        numbers: &["d", "k"],
        outputs: &["parts"],
        ..Parts::default()
    }
    .program()
});

static MEANS: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "kmeans_means",
        body: include_str!("means.cuda.cu"),
        header: HEADER,
        inputs: &["parts", "slices_before", "old"],
        numbers: &["d", "k"],
        outputs: &["next"],
        in_place: &["totals"],
        ..Parts::default()
    }
    .program()
});

static OWN: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_own", include_str!("own.metal"));
    let inputs = ["x", "centroids", "labels"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let definition = definition.scalar("n", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("distances")).expect("the definition is valid")
});

/// Numbers of 16 bits that a centroid and a row are the sums of.
fn planes(dtype: DType) -> (usize, usize) {
    match dtype {
        DType::F32 => (2, 2),
        DType::F16 => (1, 1),
        _ => (2, 1),
    }
}

/// Warps of the sort whose counters a group's memory holds.
fn warps(device: Device, k: usize) -> usize {
    let room = caps(device).map_or(0, |caps| caps.threadgroup_memory.saturating_sub(1024));
    (room / (4 * k.max(1))).min(8)
}

/// Whether the variant runs this.
pub(super) fn takes(device: Device, dtype: DType, d: usize, k: usize) -> bool {
    // Twice the registers for rows of two numbers.
    let most = if dtype == DType::F32 { 128 } else { 256 };
    has_units(device) && d <= most && padded_length(d).is_some() && warps(device, k) > 0
}

/// Whether this runs in Hopper's way: a row is one number of 16 bits an element, and its registers are half of a thread's.
pub(super) fn takes_wide(device: Device, dtype: DType, d: usize, k: usize) -> bool {
    let hopper = || caps(device).is_ok_and(|caps| caps.architecture == "sm_90a");
    dtype != DType::F32 && d <= 128 && takes(device, dtype, d, k) && hopper()
}

pub(super) fn kmeans(
    stream: &Stream,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
    wide: bool,
) -> Result<(Tensor, Tensor)> {
    if misaligned(x) {
        let why = "begins at an address between two units of four elements, which the variant reads";
        return Err(Error::layout(NAME, "x", why));
    }
    let mut centroids = of_length(stream, draw_start(stream, x, initial, args)?, args)?;
    if let Some(batch) = args.batch {
        let labels = |x: &Tensor, centroids: &Tensor| labelled(stream, x, centroids, wide);
        let own = |x: &Tensor, labels: &Tensor, old: &Tensor| means(stream, x, labels, old);
        return mini_batches(stream, x, centroids, args, batch.min(x.dims()[0]), labels, own);
    }
    let mut last = None;
    for _ in 0..args.iterations {
        let labels = labelled(stream, x, &centroids, wide)?;
        let (mut next, counts) = means(stream, x, &labels, &centroids)?;
        let mut counts = counts.to_vec::<u32>()?;
        let moved = counts.pop() != Some(0);
        let is_empty = counts.contains(&0);
        if is_empty {
            let rows = restarts(&counts, &own_distances(stream, x, &centroids, &labels)?);
            next = update(stream, x, &labels, &rows, &centroids)?.0;
        }
        centroids = of_length(stream, next, args)?;
        last = Some(labels);
        // A fixed point: what follows would be the same again.
        if !moved && !is_empty {
            break;
        }
    }
    Ok((centroids, last.expect("at least one iteration")))
}

fn labelled(stream: &Stream, x: &Tensor, centroids: &Tensor, wide: bool) -> Result<Tensor> {
    let (&[n, d], k) = (x.dims(), centroids.dims()[0]) else { unreachable!("checked to be a matrix") };
    let (left, right) = planes(x.dtype());
    let length = padded_length(d).expect("the variant takes this");
    let padded = k.next_multiple_of(if wide { STAGE } else { CENTROIDS });
    let prepared = PREPARE
        .launch(stream)
        .template("HALF", x.dtype() == DType::F16)
        .template("DK", length)
        .template("LEFT", left)
        .template("PANELS", wide)
        .input("centroids", centroids)
        .scalar("k", k as u32)
        .scalar("padded", padded as u32)
        .scalar("d", d as u32)
        .output("planes", DType::Bf16, [left, padded, length])
        .output("half_squares", DType::F32, [padded])
        .grid(Grid::groups([padded / 8, 1, 1]), [256, 1, 1])
        .run()?;
    let launch = if wide {
        let most = caps(stream.device())?.multiprocessors.unwrap_or(MULTIPROCESSORS);
        let groups = Grid::groups([n.div_ceil(TILE_ROWS).min(most), 1, 1]);
        ASSIGN_STAGES.launch(stream).threadgroup_bytes(ALIGNED + RING).grid(groups, [2 * TILE_ROWS, 1, 1])
    } else {
        ASSIGN
            .launch(stream)
            .template("RIGHT", right)
            .threadgroup_bytes(2 * left * CENTROIDS * length * 2)
            .grid(Grid::groups([n.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
    };
    launch
        .template("KIND", kind(x.dtype()))
        .template("DK", length)
        .template("LEFT", left)
        .input("planes", &prepared[0])
        .input("half_squares", &prepared[1])
        .input("x", x)
        .scalar("n", n as u32)
        .scalar("d", d as u32)
        .scalar("padded", padded as u32)
        .output("labels", DType::I64, [n])
        .run_one()
}

/// The means of the rows by label, the old centroid where there are none; and how many rows each has, and after those whether a mean is another than before.
fn means(stream: &Stream, x: &Tensor, labels: &Tensor, old: &Tensor) -> Result<(Tensor, Tensor)> {
    let (&[n, d], k) = (x.dims(), old.dims()[0]) else { unreachable!("checked to be a matrix") };
    let warps = warps(stream.device(), k);
    let stretches = n.div_ceil(warps * RUN);
    let (memory, [n32, d32, k32]) = (warps * k * 4, [n, d, k].map(|extent| extent as u32));
    let counts = COUNT
        .launch(stream)
        .input("labels", labels)
        .scalar("n", n32)
        .scalar("k", k32)
        .output("counts", DType::U32, [stretches, k])
        .threadgroup_bytes(memory)
        .grid(Grid::groups([stretches, 1, 1]), [32 * warps, 1, 1])
        .run_one()?;
    let offsets = OFFSETS
        .launch(stream)
        .input("counts", &counts)
        .scalar("k", k32)
        .scalar("stretches", stretches as u32)
        .output("offsets", DType::U32, [stretches, k])
        .output("totals", DType::U32, [k + 1])
        .grid(Grid::groups([k.div_ceil(32), 1, 1]), [1024, 1, 1])
        .run()?;
    let [offsets, mut totals] = offsets.try_into().expect("two outputs are declared");
    let starts = STARTS
        .launch(stream)
        .input("totals", &totals)
        .scalar("k", k32)
        .output("starts", DType::U32, [k])
        .output("slices_before", DType::U32, [k + 1])
        .grid(Grid::groups([1, 1, 1]), [1024, 1, 1])
        .run()?;
    let [starts, slices_before] = starts.try_into().expect("two outputs are declared");
    let order = SORT
        .launch(stream)
        .input("labels", labels)
        .input("starts", &starts)
        .input("offsets", &offsets)
        .scalar("n", n32)
        .scalar("k", k32)
        .output("order", DType::U32, [n])
        .threadgroup_bytes(memory)
        .grid(Grid::groups([stretches, 1, 1]), [32 * warps, 1, 1])
        .run_one()?;
    // Every label has less than one slice that is not full.
    let slices = n / SLICE + k;
    let parts = SUMS
        .launch(stream)
        .template("KIND", kind(x.dtype()))
        .input("x", x)
        .input("order", &order)
        .input("starts", &starts)
        .input("slices_before", &slices_before)
        .input("totals", &totals)
        .scalar("d", d32)
        .scalar("k", k32)
        .output("parts", DType::F32, [slices, d])
        .grid(Grid::groups([slices, 1, 1]), [256, 1, 1])
        .run_one()?;
    let next = MEANS
        .launch(stream)
        .input("parts", &parts)
        .input("slices_before", &slices_before)
        .input("old", old)
        .scalar("d", d32)
        .scalar("k", k32)
        .in_place("totals", &mut totals)
        .output("next", DType::F32, [k, d])
        .grid(Grid::groups([(k * d).div_ceil(256), 1, 1]), [256, 1, 1])
        .run_one()?;
    Ok((next, totals))
}

fn own_distances(stream: &Stream, x: &Tensor, centroids: &Tensor, labels: &Tensor) -> Result<Vec<f32>> {
    let &[n, d] = x.dims() else { unreachable!("checked to be a matrix") };
    OWN.launch(stream)
        .input("x", x)
        .input("centroids", centroids)
        .input("labels", labels)
        .scalar("n", n as u32)
        .scalar("d", d as u32)
        .output("distances", DType::F32, [n])
        .grid(Grid::groups([n.div_ceil(256), 1, 1]), [256, 1, 1])
        .run_one()?
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads these sources.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles() {
        use crate::nvrtc::{compiles, compiles_for};
        use DType::{Bf16, F16, F32, I8, I64, U32};
        compiles(&COUNT, &[], &[I64, U32]);
        compiles(&OFFSETS, &[], &[U32; 3]);
        compiles(&STARTS, &[], &[U32; 3]);
        compiles(&SORT, &[], &[I64, U32, U32, U32]);
        compiles(&MEANS, &[], &[F32, U32, F32, U32, F32]);
        for (dtype, length) in [(F32, 128), (F16, 128), (F16, 256), (Bf16, 64), (I8, 128)] {
            let (left, right) = planes(dtype);
            for panels in [false, true] {
                let templates = [(dtype == F16).into(), length.into(), left.into(), panels.into()];
                compiles(&PREPARE, &templates, &[F32, Bf16, F32]);
            }
            let templates = [kind(dtype).into(), length.into(), left.into(), right.into()];
            compiles(&ASSIGN, &templates, &[Bf16, F32, dtype, I64]);
            if right == 1 && length <= 128 {
                let templates = [kind(dtype).into(), length.into(), left.into()];
                compiles_for("sm_90a", &ASSIGN_STAGES, &templates, &[Bf16, F32, dtype, I64]);
            }
            let dtypes = [dtype, U32, U32, U32, U32, F32];
            compiles(&SUMS, &[kind(dtype).into()], &dtypes);
        }
    }

    #[test]
    fn numbers_are_those_of_the_bodies() {
        for line in
            [format!("CENTROIDS = {CENTROIDS},"), format!("RUN = {RUN};"), format!("SLICE = {SLICE};")]
        {
            assert!(HEADER.contains(&line), "{line}");
        }
        assert!(HEADER.contains(&format!("STAGE = {STAGE},")) && RING == 6 << 15);
        assert!(STAGED.contains(&format!("TILE_ROWS = {TILE_ROWS}, RING = 6 << 15;")));
        assert!(!takes(Device::Emulated, DType::F32, 64, 10));
    }
}
