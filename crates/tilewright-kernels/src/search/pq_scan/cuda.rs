//! The variant for CUDA: the tables of a query lie in shared memory, whatever their size, while a group of threads passes over many of its lists.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Grid, Program, caps};

use super::{Input, NAME};
use crate::search::cuda::{KEPT, Parts, has_units, misaligned};
use crate::search::device::filled;
use crate::search::rounds::SELECTED;
use crate::search::{TopkMerge, topk_merge};

/// Named after where the tables are.
pub(super) const VARIANT: &str = "shared";

const THREADS: usize = 256;
/// Groups of threads that are worth making for few queries.
const GROUPS: usize = 1056;
/// Bytes of shared memory beside the tables and lists: what is kept.
const BESIDE: usize = 17 << 10;
/// Lists of a group, at most.
const LISTS: usize = 1024;

static SCAN: LazyLock<Program> = LazyLock::new(|| {
    Parts {
        name: "pq_scan_shared",
        body: include_str!("scan.cuda.cu"),
        header: KEPT,
        templates: &["WORDS"],
        inputs: &["tables", "codes", "offsets", "probes", "bases", "biases", "factors", "row_ids", "keep"],
        numbers: &["b", "m", "bytes", "n", "k", "parts", "each", "lists"],
        flags: &["based", "biased", "scaled", "labelled", "filtered"],
        outputs: &["distances", "ids"],
        memory: Some(DType::F32),
        ..Parts::default()
    }
    .program()
});

/// The variants, the default first.
pub(super) fn variants(device: Device, m: usize, words: usize, k: usize) -> Vec<&'static str> {
    let portable = crate::arguments::only_variant(device);
    let room = || caps(device).map_or(0, |caps| caps.threadgroup_memory.saturating_sub(BESIDE + 12 * LISTS));
    let takes = has_units(device) && (1..=SELECTED).contains(&k) && 4 * m * words <= room();
    if takes { vec![VARIANT, portable] } else { vec![portable] }
}

/// Whether the tables begin where four of their entries are read at a time.
pub(super) fn reads(input: &Input) -> bool {
    !misaligned(&input.tables)
}

pub(super) fn pq_scan(stream: &Stream, input: &Input, k: usize) -> Result<(Tensor, Tensor)> {
    if !reads(input) {
        let why = "begins at an address between two units of four elements, which the variant reads";
        return Err(Error::layout(NAME, "tables", why));
    }
    let (b, parts) = (input.b, input.probes.dims()[1]);
    if b == 0 || parts == 0 || input.n == 0 {
        return filled(stream, b, k);
    }
    let each = parts.div_ceil(GROUPS.div_ceil(b).min(parts)).min(LISTS);
    let shares = parts.div_ceil(each);
    if b * shares * k > i32::MAX as usize {
        let got = format!("{b} queries of {shares} parts");
        return Err(Error::shape(NAME, "probes", "fewer than 2^31 candidates on a GPU", got));
    }
    let [no_numbers, no_ids, no_bytes] =
        [DType::F32, DType::U32, DType::U8].map(|dtype| Tensor::zeros(dtype, [1]));
    let (no_numbers, no_ids, no_bytes) =
        (no_numbers?.to(stream)?, no_ids?.to(stream)?, no_bytes?.to(stream)?);
    let results = SCAN
        .launch(stream)
        .template("WORDS", input.words as i32)
        .input("tables", &input.tables)
        .input("codes", &input.codes)
        .input("offsets", &input.offsets)
        .input("probes", &input.probes)
        .input("bases", input.bases.as_ref().unwrap_or(&no_numbers))
        .input("biases", input.biases.as_ref().unwrap_or(&no_numbers))
        .input("factors", input.factors.as_ref().unwrap_or(&no_numbers))
        .input("row_ids", input.ids.known.as_ref().unwrap_or(&no_ids))
        .input("keep", input.keep.as_ref().unwrap_or(&no_bytes))
        .scalar("b", b as u32)
        .scalar("m", input.m as u32)
        .scalar("bytes", input.codes.dims()[1] as u32)
        .scalar("n", input.n as u32)
        .scalar("k", k as u32)
        .scalar("parts", parts as u32)
        .scalar("each", each as u32)
        .scalar("lists", input.offsets.elements().saturating_sub(1) as u32)
        .scalar("based", input.bases.is_some())
        .scalar("biased", input.biases.is_some())
        .scalar("scaled", input.factors.is_some())
        .scalar("labelled", input.ids.known.is_some())
        .scalar("filtered", input.keep.is_some())
        .output("distances", DType::F32, [shares, b, k])
        .output("ids", DType::I64, [shares, b, k])
        .threadgroup_bytes(4 * input.m * input.words + 12 * each)
        .grid(Grid::groups([b * shares, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [distances, ids] = results.try_into().expect("two outputs are declared");
    if shares == 1 {
        return Ok((distances.reshape([b, k])?, ids.reshape([b, k])?));
    }
    topk_merge(stream, &distances, &ids, &TopkMerge { k })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed. No other test of a machine without a GPU reads this source.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn the_body_compiles() {
        use DType::{F32, I64, U8, U32};
        for words in [16, 256] {
            let dtypes = [F32, U8, U32, I64, F32, F32, F32, U32, U8, F32, I64];
            crate::nvrtc::compiles(&SCAN, &[words.into()], &dtypes);
        }
    }

    #[test]
    fn the_device_decides() {
        assert_eq!(variants(Device::Emulated, 8, 256, 10), ["portable"]);
        assert_eq!(variants(Device::Cpu, 8, 256, 10), ["cpu"]);
    }
}
