//! The `k` nearest of the codes of chosen lists, by sums of table entries: the scan of a product quantiser's inverted file.
//!
//! # Math
//! distance(q, i) = bases(q, p) + biases(i) + factors(i) sum_j tables(q, j, code(i, j)), for each row i of the list that probe p of query q names. For each query: the first k rows in
//! the order of (distance, id).
//!
//! With the tables of [`pq_lut`](super::pq_lut()) that is the distance of the query from what the code stands for. For codes of what is left of a row after its list's
//! centroid y, |q - y - r|² = |q - y|² + (|r|² + 2 y·r) - 2 q·r: the first term is the base of the probe, the second the bias of the row, and the third has tables that
//! every list shares, twice those of the inner product. Rows of [`rabitq_encode()`](super::rabitq_encode()) have factors; without them they are 1.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | tables | `[b, m, words]`, words 256 or 16 | any strides | f32 |
//! | codes | `[blocks, bytes, 64]` of [`block_codes`](super::block_codes), list after list | any strides | u8 |
//! | offsets | `[nlist + 1]`, ascending, at most 64 blocks | any strides | u32 |
//! | probes | `[b, nprobe]`, lists of each query, -1 for none | any strides | i64 |
//! | bases (optional) | `[b, nprobe]` | any strides | f32 |
//! | biases, factors (optional) | `[n]`, blocks = ceil(n / 64) | any strides | f32; factors usually at least 0: a row with another is never ruled out early |
//! | ids (optional) | `[n]` | any strides | u32, i64; a row's number without it |
//! | keep (optional) | `[bytes]`, bit i % 8 of byte i / 8 for row i | any strides | u8; rows whose bit is 0 do not count |
//! | distances | `[b, k]` | row-major | f32 |
//! | ids | `[b, k]` | row-major | i64 |
//!
//! # Numerics
//! On the CPU the tables are rounded down to bytes that vector registers look up in, 64 rows at a time; a row that even the sum of those does not rule out gets its distance
//! in f64, rounded once. So the result is that of a scan in f64, the same bits whatever the machine. On a GPU: f32 sums of m + 2 terms, one of which a factor multiplies.
//!
//! # Constraints
//! Fewer than 2^32 - 1 rows. Any k and any ids; on a GPU each 1024 of a greater k are a scan of `portable`, and ids of 64 bits are sorted first. Offsets and probes out of range are an error on the CPU; a GPU,
//! which cannot look at them first, takes a list that does not exist for an empty one and cuts what lies beyond the codes.
//!
//! - `portable`: every GPU; a threadgroup for each query and list.
//! - `shared`: CUDA from compute capability 8.0 on, k from 1 on, tables that fit a group's shared memory (on an H200 192 parts of 256 words). The default where it runs.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), sections 3 and 4; André, Kermarrec and Le Scouarnec, Cache locality is not
//! enough: high-performance nearest neighbor search with product quantization fast scan (2015), for tables in registers.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{Coded, PqLut, PqScan, block_codes, pq_encode, pq_lut, pq_scan};
//!
//! let cpu = Stream::cpu();
//! let codebooks = Tensor::from_vec((0..32).map(|w| (w % 16) as f32).collect(), [2, 16, 1])?;
//! let data = Tensor::from_vec(vec![0.0f32, 0.0, 4.0, 5.0, 9.0, 9.0], [3, 2])?;
//! let codes = block_codes(&pq_encode(&cpu, &data, &codebooks)?)?;
//! let offsets = Tensor::from_vec(vec![0u32, 3], [2])?;
//! let probes = Tensor::from_vec(vec![0i64], [1, 1])?;
//! let query = Tensor::from_vec(vec![5.0f32, 5.0], [1, 2])?;
//! let tables = pq_lut(&cpu, &query, &codebooks, &PqLut::default())?;
//! let rows = Coded { codes: &codes, offsets: &offsets, biases: None, factors: None, ids: None, keep: None };
//! let (distances, ids) = pq_scan(&cpu, &tables, &rows, &probes, None, &PqScan { k: 2 })?;
//! assert_eq!((distances.to_vec::<f32>()?, ids.to_vec::<i64>()?), (vec![1.0, 32.0], vec![1, 2]));
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::codes::BLOCK;
use super::device::check_lists;
use super::ids::{Ids, check_ids};
use super::product::bytes;
use crate::arguments::{check_tensor, choose, only_variant};

const NAME: &str = "pq_scan";

/// Arguments of [`pq_scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PqScan {
    /// How many. Default 1.
    pub k: usize,
}

impl Default for PqScan {
    fn default() -> Self {
        Self { k: 1 }
    }
}

/// Coded rows in lists.
#[derive(Clone, Copy)]
pub struct Coded<'a> {
    /// `[blocks, bytes, 64]`, u8
    pub codes: &'a Tensor,
    /// `[nlist + 1]`, u32
    pub offsets: &'a Tensor,
    /// `[n]`, f32; 0 without it
    pub biases: Option<&'a Tensor>,
    /// `[n]`, f32; 1 without it
    pub factors: Option<&'a Tensor>,
    /// `[n]`, u32 or i64; a row's number without it
    pub ids: Option<&'a Tensor>,
    /// `[bytes]`, u8: a bit for each row
    pub keep: Option<&'a Tensor>,
}

/// What is scanned, checked and on the device.
struct Input {
    tables: Tensor,
    codes: Tensor,
    offsets: Tensor,
    probes: Tensor,
    bases: Option<Tensor>,
    biases: Option<Tensor>,
    factors: Option<Tensor>,
    ids: Ids,
    keep: Option<Tensor>,
    b: usize,
    m: usize,
    words: usize,
    /// Rows: as many as there are biases, ids, or places in the blocks.
    n: usize,
}

/// The `k` coded rows that are nearest to each query among those of the lists that it names: their distances and ids. Fails on shapes, dtypes and devices that do
/// not fit, on the CPU on offsets that do not ascend within the rows and on lists that do not exist.
pub fn pq_scan(
    stream: &Stream,
    tables: &Tensor,
    rows: &Coded,
    probes: &Tensor,
    bases: Option<&Tensor>,
    args: &PqScan,
) -> Result<(Tensor, Tensor)> {
    run(stream, None, tables, rows, probes, bases, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    tables: &Tensor,
    rows: &Coded,
    probes: &Tensor,
    bases: Option<&Tensor>,
    args: &PqScan,
) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "tables", stream, tables, &[DType::F32])?;
    let &[b, m, words @ (16 | 256)] = tables.dims() else {
        return Err(Error::shape(NAME, "tables", "[b, m, 256 or 16]", tables.shape()));
    };
    if m == 0 || b >= u32::MAX as usize {
        let expected = "[b, m, words] with m >= 1 and fewer than 2^32 - 1 queries";
        return Err(Error::shape(NAME, "tables", expected, tables.shape()));
    }
    let Coded { codes, offsets, biases, factors, ids, keep } = *rows;
    check_tensor(NAME, "codes", stream, codes, &[DType::U8])?;
    let expected = bytes(m, words);
    let blocks = match *codes.dims() {
        [blocks, of_code, BLOCK] if of_code == expected && blocks < (u32::MAX as usize) / BLOCK => blocks,
        _ => {
            return Err(Error::shape(NAME, "codes", format!("[blocks, {expected}, {BLOCK}]"), codes.shape()));
        }
    };
    check_lists(NAME, stream, offsets, probes, b)?;
    if let Some(bases) = bases {
        check_tensor(NAME, "bases", stream, bases, &[DType::F32])?;
        if bases.dims() != probes.dims() {
            return Err(Error::shape(NAME, "bases", probes.shape(), bases.shape()));
        }
    }
    let mut n = blocks * BLOCK;
    if let Some(biases) = biases {
        check_tensor(NAME, "biases", stream, biases, &[DType::F32])?;
        n = rows_of("biases", biases, n, blocks)?;
    }
    if let Some(factors) = factors {
        check_tensor(NAME, "factors", stream, factors, &[DType::F32])?;
        n = rows_of("factors", factors, n, blocks)?;
    }
    if let Some(ids) = ids {
        check_ids(NAME, "ids", stream, ids)?;
        n = rows_of("ids", ids, n, blocks)?;
    }
    if let Some(keep) = keep {
        check_tensor(NAME, "keep", stream, keep, &[DType::U8])?;
        if keep.rank() != 1 || keep.elements() < n.div_ceil(8) {
            let expected = format!("[bytes] with at least {} bytes, a bit for each row", n.div_ceil(8));
            return Err(Error::shape(NAME, "keep", expected, keep.shape()));
        }
    }
    let here = |tensor: Option<&Tensor>| tensor.map(|tensor| tensor.to(stream)).transpose();
    let input = Input {
        tables: tables.to(stream)?,
        codes: codes.to(stream)?,
        offsets: offsets.to(stream)?,
        probes: probes.to(stream)?,
        bases: here(bases)?,
        biases: here(biases)?,
        factors: here(factors)?,
        ids: Ids::new(stream, ids)?,
        keep: here(keep)?,
        b,
        m,
        words,
        n,
    };
    // The body that takes any view, where it matters.
    let between = stream.device() != Device::Cpu && !cuda::reads(&input);
    let wish = variant.or_else(|| between.then(|| only_variant(stream.device())));
    match choose(NAME, wish, &cuda::variants(stream.device(), m, words, args.k))? {
        cuda::VARIANT => input.ids.named(stream, cuda::pq_scan(stream, &input, args.k)?),
        _ if stream.device() == Device::Cpu => cpu::pq_scan(&input, args.k),
        _ => input.ids.named(stream, gpu::pq_scan(stream, &input, args.k)?),
    }
}

/// The number of rows that a tensor of one number each has: as many as fit the blocks, and as another tensor has.
fn rows_of(argument: &'static str, tensor: &Tensor, n: usize, blocks: usize) -> Result<usize> {
    match *tensor.dims() {
        [rows] if rows.div_ceil(BLOCK) == blocks && (n == rows || n == blocks * BLOCK) => Ok(rows),
        _ => {
            let expected = format!("[n], n the number of rows in {blocks} blocks of {BLOCK}");
            Err(Error::shape(NAME, argument, expected, tensor.shape()))
        }
    }
}
