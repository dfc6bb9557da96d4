//! The scan on a GPU: each threadgroup selects the best of one part of the rows for one query, and further launches select among those until one
//! part is left.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::Metric;
use super::vectors::Vectors;
use crate::arguments::check_tensor;

/// The largest k: what a threadgroup sorts is twice as much.
pub(super) const SELECTED: usize = 1024;
/// Candidates that a thread holds (`ITEMS` of the bodies).
const ITEMS: usize = 16;
/// Threads of a group.
const THREADS: usize = 256;
/// Groups in all that are worth making for few queries: several for each multiprocessor of the largest chips.
const GROUPS: usize = 2048;
/// Rows of a part, at least: 128 for each SIMD group, one after another.
const ROWS: usize = 1024;

const SELECTION: &str =
    concat!(include_str!("../reduce/order.metal"), include_str!("../reduce/top_k/gpu.header.metal"));

static SCAN: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_scan", include_str!("scan.metal"))
        .header(concat!(
            include_str!("../reduce/order.metal"),
            include_str!("../reduce/top_k/gpu.header.metal"),
            include_str!("scan.header.metal")
        ))
        .template("T")
        .template("METRIC")
        .template("LISTED");
    let inputs = ["queries", "data", "ids", "keep", "offsets", "probes"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "d", "k", "parts", "length", "lists"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("labelled", DType::Bool).scalar("filtered", DType::Bool);
    Program::new(definition.output("candidates")).expect("the definition is valid")
});

static AGAIN: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("search_again", include_str!("again.metal")).header(SELECTION).input("from");
    let definition = ["n", "segments", "k"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("candidates")).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_finish", include_str!("finish.metal"))
        .input("candidates")
        .scalar("count", DType::U32)
        .output("distances")
        .output("ids");
    Program::new(definition).expect("the definition is valid")
});

/// Refuses a k that a GPU does not select.
pub(super) fn check_k(operation: &'static str, device: Device, k: usize) -> Result<()> {
    if device == Device::Cpu || k <= SELECTED {
        return Ok(());
    }
    let why = format!("k is {k}: a threadgroup's memory holds a selection of at most {SELECTED}");
    Err(Error::unsupported(operation, device, why))
}

/// The lists that queries are compared with.
pub(super) struct Lists<'a> {
    /// `[nlist + 1]`, u32
    pub(super) offsets: &'a Tensor,
    /// `[b, nprobe]`, i64
    pub(super) probes: &'a Tensor,
}

/// Refuses offsets and probes of other shapes and dtypes than lists for `b` queries have.
pub(super) fn check_lists(
    operation: &'static str,
    stream: &Stream,
    offsets: &Tensor,
    probes: &Tensor,
    b: usize,
) -> Result<()> {
    check_tensor(operation, "offsets", stream, offsets, &[DType::U32])?;
    check_tensor(operation, "probes", stream, probes, &[DType::I64])?;
    if offsets.rank() != 1 || offsets.is_empty() {
        return Err(Error::shape(operation, "offsets", "[nlist + 1]", offsets.shape()));
    }
    if probes.rank() != 2 || probes.dims()[0] != b {
        return Err(Error::shape(operation, "probes", format!("[{b}, nprobe]"), probes.shape()));
    }
    Ok(())
}

impl Lists<'_> {
    /// Offsets and probes on the host, of `n` rows. Fails on offsets that do not ascend within them and on lists that do not exist.
    pub(super) fn checked(&self, operation: &'static str, n: usize) -> Result<(&[u32], &[i64])> {
        let (offsets, probes) = (self.offsets.as_slice::<u32>()?, self.probes.as_slice::<i64>()?);
        let ascending = offsets.is_sorted() && offsets.last().is_some_and(|&last| last as usize <= n);
        if !ascending {
            let expected = format!("ascending and at most {n}, the number of rows");
            let got = format!("{:?} at the end", offsets.last());
            return Err(Error::range(operation, "offsets", expected, got));
        }
        let nlist = offsets.len() - 1;
        if let Some(wrong) = probes.iter().find(|&&list| list < -1 || list >= nlist as i64) {
            return Err(Error::range(operation, "probes", format!("-1 or a list below {nlist}"), wrong));
        }
        Ok((offsets, probes))
    }
}

/// How many threadgroups share `n` rows, where as many do `others` of them.
pub(super) fn parts_of(n: usize, others: usize) -> usize {
    n.div_ceil(ROWS).min(GROUPS.div_ceil(others.max(1))).max(1)
}

/// The best `k` of each query, of all rows or of its lists.
pub(super) fn scan(
    operation: &'static str,
    stream: &Stream,
    vectors: &Vectors,
    metric: Metric,
    k: usize,
    lists: Option<&Lists>,
) -> Result<(Tensor, Tensor)> {
    check_k(operation, stream.device(), k)?;
    let b = vectors.b;
    let (parts, length) = match lists {
        Some(lists) => (lists.probes.dims()[1], 0),
        None => {
            let parts = parts_of(vectors.n, b);
            (parts, vectors.n.div_ceil(parts))
        }
    };
    if b * parts * k.max(1) > i32::MAX as usize {
        let got = format!("{b} queries of {parts} parts");
        return Err(Error::shape(operation, "queries", "fewer than 2^31 candidates on a GPU", got));
    }
    if b * k == 0 || parts == 0 {
        return filled(stream, b, k);
    }
    let [no_ids, no_bytes, no_probes] =
        [DType::U32, DType::U8, DType::I64].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_ids, no_bytes, no_probes) = (no_ids?.to(stream)?, no_bytes?.to(stream)?, no_probes?.to(stream)?);
    // A short part takes one round, and four rows a thread: then its SIMD groups wait for memory side by side.
    let threads =
        if lists.is_some() { THREADS } else { length.div_ceil(4).next_multiple_of(32).clamp(32, THREADS) };
    let found = SCAN
        .launch(stream)
        .template("T", vectors.data.dtype())
        .template("METRIC", metric as i32)
        .template("LISTED", lists.is_some())
        .input("queries", &vectors.queries)
        .input("data", &vectors.data)
        .input("ids", vectors.ids.as_ref().unwrap_or(&no_ids))
        .input("keep", vectors.keep.as_ref().unwrap_or(&no_bytes))
        .input("offsets", lists.map_or(&no_ids, |lists| lists.offsets))
        .input("probes", lists.map_or(&no_probes, |lists| lists.probes))
        .scalar("n", vectors.n as u32)
        .scalar("d", vectors.d as u32)
        .scalar("k", k as u32)
        .scalar("parts", parts as u32)
        .scalar("length", length as u32)
        .scalar("lists", lists.map_or(0, |lists| lists.offsets.elements().saturating_sub(1)) as u32)
        .scalar("labelled", vectors.ids.is_some())
        .scalar("filtered", vectors.keep.is_some())
        .output("candidates", DType::U64, [b, parts * k])
        .grid(Grid::groups([b * parts, 1, 1]), [threads, 1, 1])
        .run_one()?;
    selected(stream, found, b, parts * k, k)
}

/// The best `k` of each query's candidates `[b, extent]`, u64, of which each `k` are sorted: distances and ids.
pub(super) fn selected(
    stream: &Stream,
    mut found: Tensor,
    b: usize,
    mut extent: usize,
    k: usize,
) -> Result<(Tensor, Tensor)> {
    while extent > k {
        // With more than 8 segments' worth in each, k candidates of 512 threads leave an eighth for the next launch.
        let most = if k <= 256 { THREADS } else { 2 * THREADS };
        let threads = extent.div_ceil(ITEMS).next_multiple_of(32).min(most);
        let segments = extent.div_ceil(threads * ITEMS);
        found = AGAIN
            .launch(stream)
            .input("from", &found)
            .scalar("n", extent as u32)
            .scalar("segments", segments as u32)
            .scalar("k", k as u32)
            .output("candidates", DType::U64, [b, segments * k])
            .grid(Grid::groups([b * segments, 1, 1]), [threads, 1, 1])
            .run_one()?;
        extent = segments * k;
    }
    let results = FINISH
        .launch(stream)
        .input("candidates", &found)
        .scalar("count", (b * k) as u32)
        .output("distances", DType::F32, [b, k])
        .output("ids", DType::I64, [b, k])
        .grid(Grid::groups([(b * k).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [distances, ids] = results.try_into().expect("two outputs are declared");
    Ok((distances, ids))
}

/// Results without a row.
pub(super) fn filled(stream: &Stream, b: usize, k: usize) -> Result<(Tensor, Tensor)> {
    let distances = Tensor::from_vec(vec![f32::INFINITY; b * k], [b, k])?.to(stream)?;
    Ok((distances, Tensor::from_vec(vec![-1i64; b * k], [b, k])?.to(stream)?))
}
