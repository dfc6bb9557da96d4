//! The scan of all rows for CUDA. The matrix units give each query the least score of each group of 32 rows, from products of bf16, and what bounds the error; the
//! k-th least upper bound then leaves few groups, whose rows get the distances that are shown, in f32. So the result is that of a scan in f32 of every row.

use std::ops::Range;
use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Caps, Definition, Grid, Program, caps};

use super::Metric;
use super::device::SELECTED;
use super::vectors::Vectors;

/// Named after the instruction of the matrix units.
pub(super) const VARIANT: &str = "mma";

/// Rows of a group (`OWN` of the bodies): a warp's.
const ROWS: usize = 32;
/// Warps of a group of threads that finds minima.
const WARPS: usize = 4;
/// Elements of `least`, at most: 512 MiB.
const LEAST: usize = 1 << 27;
/// Groups of threads that fill a device, about.
const GROUPS: usize = 1024;
/// Buckets of upper bounds of a query: twice as many as k may be.
const BUCKETS: usize = 2 * SELECTED;
/// Rows below which the portable scan, which is one launch where they are few, is no slower.
const FEW: usize = 2048;

/// Helpers that every body for CUDA of this family uses.
pub(super) const NEAR: &str = include_str!("near.cuda.header.cu");

/// A program of a CUDA body: its inputs, numbers, flags and outputs.
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
        Program::new(definition).expect("the definition is valid")
    }
}

static PREPARE: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_prepare",
        body: include_str!("prepare.cuda.cu"),
        header: include_str!("nearest.cuda.header.cu"),
        templates: &["KIND", "DK"],
        inputs: &["queries"],
        numbers: &["b", "padded", "d"],
        flags: &[],
        outputs: &["rounded", "bounds"],
        in_place: &[],
        memory: None,
    }
    .program()
});

static NEAREST: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_nearest",
        body: include_str!("nearest.cuda.cu"),
        header: include_str!("nearest.cuda.header.cu"),
        templates: &["KIND", "DK", "METRIC", "QUERIES"],
        inputs: &["rounded", "data", "keep"],
        numbers: &["n", "d", "b", "splits", "stages", "pitch"],
        flags: &["filtered"],
        outputs: &["least", "extents"],
        in_place: &[],
        memory: Some(DType::U8),
    }
    .program()
});

static PICK: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "search_pick",
        body: include_str!("pick.cuda.cu"),
        header: include_str!("pick.cuda.header.cu"),
        templates: &["KIND", "METRIC", "PER"],
        inputs: &["queries", "data", "ids", "keep", "least", "extents", "bounds"],
        numbers: &["n", "d", "k", "pitch", "before"],
        flags: &["labelled", "filtered"],
        outputs: &[],
        in_place: &["distances", "found"],
        memory: None,
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
    let number = |caps: &Caps| caps.architecture.strip_prefix("sm_")?.parse::<u32>().ok();
    caps(device).is_ok_and(|caps| number(&caps).is_some_and(|number| number >= 80))
}

/// The variants of the scan of all rows, the default first.
pub(super) fn variants(device: Device, b: usize, n: usize, d: usize, k: usize) -> Vec<&'static str> {
    let portable = crate::arguments::only_variant(device);
    let takes = has_units(device) && n > 0 && (1..=SELECTED).contains(&k) && padded_length(d).is_some();
    // One query alone is read for at the speed of memory by either.
    match (takes, b < 2 || n < FEW) {
        (false, _) => vec![portable],
        (true, true) => vec![portable, VARIANT],
        (true, false) => vec![VARIANT, portable],
    }
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
    for (argument, tensor) in [("queries", &vectors.queries), ("data", &vectors.data)] {
        if misaligned(tensor) {
            let why = "begins at an address between two units of four elements, which the variant reads";
            return Err(Error::layout(operation, argument, why));
        }
    }
    let mut distances = Tensor::empty(stream, DType::F32, [vectors.b, k])?;
    let mut ids = Tensor::empty(stream, DType::I64, [vectors.b, k])?;
    if vectors.b * k == 0 {
        return Ok((distances, ids));
    }
    let length = padded_length(vectors.d).expect("the variant takes this");
    let groups = vectors.n.div_ceil(ROWS * WARPS) * WARPS;
    let no_ids = Tensor::zeros(DType::U32, [1])?.to(stream)?;
    let no_bytes = Tensor::zeros(DType::U8, [1])?.to(stream)?;
    let pass = Pass {
        stream,
        vectors,
        metric,
        k,
        length,
        groups,
        ids: vectors.ids.as_ref().unwrap_or(&no_ids),
        keep: vectors.keep.as_ref().unwrap_or(&no_bytes),
    };
    // As many queries at a time as their minima have room for.
    let most = (LEAST / groups / 64 * 64).max(64);
    for start in (0..vectors.b).step_by(most) {
        pass.run(start..vectors.b.min(start + most), &mut distances, &mut ids)?;
    }
    Ok((distances, ids))
}

struct Pass<'a> {
    stream: &'a Stream,
    vectors: &'a Vectors,
    metric: Metric,
    k: usize,
    /// Of rows in registers.
    length: usize,
    /// Of rows: a multiple of what a group of threads has.
    groups: usize,
    ids: &'a Tensor,
    keep: &'a Tensor,
}

impl Pass<'_> {
    /// The results of some queries, in their places.
    fn run(&self, rows: Range<usize>, distances: &mut Tensor, found: &mut Tensor) -> Result<()> {
        let Pass { stream, vectors, metric, k, length, groups, ids, keep } = *self;
        let (n, d, kind) = (vectors.n as u32, vectors.d as u32, kind(vectors.data.dtype()));
        let (queries, b) = (&vectors.queries.slice(0, rows.clone())?, rows.len());
        let stage = if b <= 32 { 32 } else { 64 };
        let padded = b.next_multiple_of(stage);
        let prepared = PREPARE
            .launch(stream)
            .template("KIND", kind)
            .template("DK", length)
            .input("queries", queries)
            .scalar("b", b as u32)
            .scalar("padded", padded as u32)
            .scalar("d", d)
            .output("rounded", DType::Bf16, [padded, length])
            .output("bounds", DType::F32, [padded, 4])
            .grid(Grid::groups([padded.div_ceil(8), 1, 1]), [256, 1, 1])
            .run()?;
        let [rounded, bounds] = prepared.try_into().expect("two outputs are declared");
        // Few rows and many queries: then the queries are shared out too.
        let (tiles, stages) = (groups / WARPS, padded / stage);
        let splits = GROUPS.div_ceil(tiles).min(stages);
        let each = stages.div_ceil(splits);
        let nearest = NEAREST
            .launch(stream)
            .template("KIND", kind)
            .template("DK", length)
            .template("METRIC", metric as i32)
            .template("QUERIES", stage)
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
            .threadgroup_bytes(2 * stage * length * 2 + 2 * stage * WARPS * 4)
            .grid(Grid::groups([tiles * splits, 1, 1]), [WARPS * 32, 1, 1])
            .run()?;
        let [least, extents] = nearest.try_into().expect("two outputs are declared");
        // For few queries more threads each, since little else hides the way from memory.
        let threads = if b <= 64 { 512 } else { 256 };
        PICK.launch(stream)
            .template("KIND", kind)
            .template("METRIC", metric as i32)
            .template("PER", BUCKETS / threads)
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
            .scalar("labelled", vectors.ids.is_some())
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
        use DType::{Bf16, F16, F32, I8, I64, U8, U32};
        for (dtype, length) in [(F32, 64), (F16, 256), (Bf16, 128), (I8, 128)] {
            let kind = kind(dtype);
            let mut compiled =
                vec![PREPARE.compile_for("sm_90", &[kind.into(), length.into()], &[dtype, Bf16, F32])];
            for metric in Metric::ALL {
                let templates = [kind.into(), length.into(), (metric as i32).into(), 64.into()];
                compiled.push(NEAREST.compile_for("sm_90", &templates, &[Bf16, dtype, U8, F32, F32]));
                let templates = [kind.into(), (metric as i32).into(), 8.into()];
                let dtypes = [dtype, dtype, U32, U8, F32, F32, F32, F32, I64];
                compiled.push(PICK.compile_for("sm_90", &templates, &dtypes));
            }
            for compiled in compiled {
                match compiled {
                    Err(error) if error.is_unsupported() => return eprintln!("not compiled: {error}"),
                    compiled => compiled.unwrap(),
                }
            }
        }
    }

    #[test]
    fn the_device_and_the_sizes_decide() {
        assert_eq!(variants(Device::Emulated, 5, 10_000, 128, 10), ["portable"]);
        assert_eq!(variants(Device::Cpu, 5, 10_000, 128, 10), ["cpu"]);
        assert_eq!(padded_length(96), Some(128));
        assert!(padded_length(97).is_none() && padded_length(260).is_none());
        let header = include_str!("pick.cuda.header.cu");
        assert!(header.contains("LONGEST = 256") && header.contains("MOST_THREADS = 512"));
    }
}
