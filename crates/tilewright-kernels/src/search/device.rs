//! The scan on a GPU: each threadgroup selects the best of one part of the rows for one query, and [`rounds`](super::rounds) select among those.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Program};

use super::Metric;
use super::rounds::{Round, best, check_candidates, in_rounds};
use super::vectors::Vectors;
use crate::arguments::check_tensor;

/// Threads of a group.
const THREADS: usize = 256;
/// Groups in all that are worth making for few queries: several for each multiprocessor of the largest chips.
const GROUPS: usize = 2048;
/// Rows of a part, at least: 128 for each SIMD group, one after another.
const ROWS: usize = 1024;

static SCAN: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_scan", include_str!("scan.metal"))
        .header(concat!(
            include_str!("../reduce/order.metal"),
            include_str!("../reduce/top_k/gpu.header.metal"),
            include_str!("candidate.header.metal"),
            include_str!("scan.header.metal")
        ))
        .template("T")
        .template("METRIC")
        .template("LISTED");
    let inputs = ["queries", "data", "ids", "keep", "offsets", "probes"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let scalars = ["n", "d", "parts", "length", "lists"];
    let definition =
        scalars.into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    in_rounds(definition.scalar("labelled", DType::Bool).scalar("filtered", DType::Bool))
});

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
    let b = vectors.b;
    let (parts, length) = match lists {
        Some(lists) => (lists.probes.dims()[1], 0),
        None => {
            let parts = parts_of(vectors.n, b);
            (parts, vectors.n.div_ceil(parts))
        }
    };
    check_candidates(operation, "queries", [b, parts], k)?;
    if b * k == 0 || parts == 0 {
        return filled(stream, b, k);
    }
    let [no_ids, no_bytes, no_probes] =
        [DType::U32, DType::U8, DType::I64].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_ids, no_bytes, no_probes) = (no_ids?.to(stream)?, no_bytes?.to(stream)?, no_probes?.to(stream)?);
    // A short part takes one round, and four rows a thread: then its SIMD groups wait for memory side by side.
    let threads =
        if lists.is_some() { THREADS } else { length.div_ceil(4).next_multiple_of(32).clamp(32, THREADS) };
    let most = if lists.is_some() { parts * vectors.n } else { vectors.n };
    best(stream, b, parts, k, most, |round: &Round| {
        let launch = SCAN
            .launch(stream)
            .template("T", vectors.data.dtype())
            .template("METRIC", metric as i32)
            .template("LISTED", lists.is_some())
            .input("queries", &vectors.queries)
            .input("data", &vectors.data)
            .input("ids", vectors.ids.known.as_ref().unwrap_or(&no_ids))
            .input("keep", vectors.keep.as_ref().unwrap_or(&no_bytes))
            .input("offsets", lists.map_or(&no_ids, |lists| lists.offsets))
            .input("probes", lists.map_or(&no_probes, |lists| lists.probes))
            .scalar("n", vectors.n as u32)
            .scalar("d", vectors.d as u32)
            .scalar("parts", parts as u32)
            .scalar("length", length as u32)
            .scalar("lists", lists.map_or(0, |lists| lists.offsets.elements().saturating_sub(1)) as u32)
            .scalar("labelled", vectors.ids.known.is_some())
            .scalar("filtered", vectors.keep.is_some());
        round.run(launch, &no_ids, [b, parts], threads)
    })
}

/// Results without a row.
pub(super) fn filled(stream: &Stream, b: usize, k: usize) -> Result<(Tensor, Tensor)> {
    let distances = Tensor::from_vec(vec![f32::INFINITY; b * k], [b, k])?.to(stream)?;
    Ok((distances, Tensor::from_vec(vec![-1i64; b * k], [b, k])?.to(stream)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn the_body_compiles_for_cuda() {
        use DType::{Bf16, F32, I64, U8, U32, U64};
        for (dtype, listed, bounded) in [(F32, false, false), (Bf16, true, true)] {
            for metric in Metric::ALL {
                let templates = [dtype.into(), (metric as i32).into(), listed.into(), bounded.into()];
                let bounds = if bounded { U64 } else { U32 };
                let dtypes = [dtype, dtype, U32, U8, U32, I64, bounds, U64, U32];
                crate::nvrtc::compiles(&SCAN, &templates, &dtypes);
            }
        }
    }
}
