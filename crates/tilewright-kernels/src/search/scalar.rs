//! What the kernels of scalar quantisation share: codes as strings of bits, and the numbers that they stand for.

use std::ops::Range;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use super::bounds::gamma;
use super::lanes::{Lanes, WIDEST};
use super::scan::Rows;
use super::tile::{squared_length, unrolled};
use crate::arguments::check_tensor;
use crate::prefetch::prefetch;

/// Elements that are unpacked at a time: whole bytes of codes of 8, 6 and 4 bits.
const CHUNK: usize = 64;
/// Rows whose distances are found together.
const TOGETHER: usize = 4;

/// Codes of vectors of length `d`, so many bits for each element.
#[derive(Clone, Copy)]
pub(super) struct Scalar {
    pub(super) d: usize,
    /// 8, 6 or 4.
    pub(super) bits: usize,
}

impl Scalar {
    /// Refuses bits that there are no codes of.
    pub(super) fn new(operation: &'static str, d: usize, bits: usize) -> Result<Self> {
        if ![8, 6, 4].contains(&bits) {
            return Err(Error::range(operation, "bits", "8, 6 or 4", bits));
        }
        Ok(Self { d, bits })
    }

    /// The bytes of a code: element `j` is in bits `bits j ..` of the string that begins with the lowest bit of the first byte.
    pub(super) fn bytes(self) -> usize {
        (self.d * self.bits).div_ceil(8)
    }

    /// The greatest word.
    pub(super) fn most(self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }

    /// One over the number of steps from the least to the greatest word, as every path has it.
    pub(super) fn reciprocal(self) -> f32 {
        1.0 / f32::from(self.most())
    }
}

/// Refuses what is not `[2, d]` of f32. Gives d.
pub(super) fn check_ranges(operation: &'static str, stream: &Stream, ranges: &Tensor) -> Result<usize> {
    check_tensor(operation, "ranges", stream, ranges, &[DType::F32])?;
    match *ranges.dims() {
        [2, d] if d > 0 => Ok(d),
        _ => Err(Error::shape(operation, "ranges", "[2, d] with d >= 1", ranges.shape())),
    }
}

/// What words stand for: `first + word step` for each element.
pub(super) struct Grid {
    scalar: Scalar,
    firsts: Vec<f32>,
    steps: Vec<f32>,
}

impl Grid {
    /// That of ranges `[2, d]`: a word stands for the middle of its step.
    pub(super) fn of(ranges: &[f32], scalar: Scalar) -> Self {
        let (least, widths) = ranges.split_at(scalar.d);
        let steps: Vec<f32> = widths.iter().map(|width| width * scalar.reciprocal()).collect();
        let firsts = least.iter().zip(&steps).map(|(&least, step)| step.mul_add(0.5, least)).collect();
        Self { scalar, firsts, steps }
    }

    /// The vector that a code stands for.
    #[inline(always)]
    pub(super) fn decode(&self, code: &[u8], x: &mut [f32]) {
        let bits = self.scalar.bits;
        let (chunks, rest) = x.as_chunks_mut::<CHUNK>();
        let bytes = CHUNK * bits / 8;
        let whole = chunks.len() * CHUNK;
        let grid = self.firsts.as_chunks::<CHUNK>().0.iter().zip(self.steps.as_chunks::<CHUNK>().0);
        for ((x, code), (firsts, steps)) in chunks.iter_mut().zip(code.chunks_exact(bytes)).zip(grid) {
            let words = unpacked(bits, code);
            for i in 0..CHUNK {
                x[i] = f32::from(words[i]).mul_add(steps[i], firsts[i]);
            }
        }
        let words = unpacked(bits, &code[whole * bits / 8..]);
        for (i, x) in rest.iter_mut().enumerate() {
            *x = f32::from(words[i]).mul_add(self.steps[whole + i], self.firsts[whole + i]);
        }
    }
}

/// The words of at most [`CHUNK`] elements; of fewer, whatever after them.
#[inline(always)]
fn unpacked(bits: usize, code: &[u8]) -> [u8; CHUNK] {
    let mut words = [0u8; CHUNK];
    match bits {
        8 => words[..code.len()].copy_from_slice(code),
        4 => {
            for (pair, byte) in words.as_chunks_mut::<2>().0.iter_mut().zip(code) {
                *pair = [byte & 15, byte >> 4];
            }
        }
        _ => {
            for (four, bytes) in words.as_chunks_mut::<4>().0.iter_mut().zip(code.chunks(3)) {
                let at = |i: usize| u32::from(bytes.get(i).copied().unwrap_or(0)) << (8 * i);
                let all = at(0) | at(1) | at(2);
                *four = [0, 6, 12, 18].map(|shift| (all >> shift & 63) as u8);
            }
        }
    }
    words
}

/// Coded rows as a scan reads them.
pub(super) struct CodedRows<'a> {
    pub(super) grid: Grid,
    /// `[n, bytes]`
    pub(super) codes: &'a [u8],
    /// `[nlist, d]`, which rows are coded without, and `[nlist + 1]`, which rows are of which list.
    pub(super) centroids: Option<(&'a [f32], &'a [u32])>,
}

impl Rows for CodedRows<'_> {
    #[inline(always)]
    fn widened<'a>(&'a self, rows: Range<usize>, d: usize, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(rows.len() * d, 0.0);
        let bytes = self.grid.scalar.bytes();
        let codes = &self.codes[rows.start * bytes..rows.end * bytes];
        for (x, code) in scratch.chunks_exact_mut(d).zip(codes.chunks_exact(bytes)) {
            self.grid.decode(code, x);
        }
        if let Some((centroids, offsets)) = self.centroids {
            let mut list = offsets.partition_point(|&start| start as usize <= rows.start) - 1;
            for (x, row) in scratch.chunks_exact_mut(d).zip(rows) {
                while row >= offsets[list + 1] as usize {
                    list += 1;
                }
                x.iter_mut().zip(&centroids[list * d..]).for_each(|(x, y)| *x += y);
            }
        }
        scratch
    }

    #[inline(always)]
    fn prefetch(&self, row: usize, _d: usize) {
        let bytes = self.grid.scalar.bytes();
        prefetch(&self.codes[row * bytes..(row + 1) * bytes]);
    }

    #[inline(always)]
    fn squares<L: Lanes>(
        &self,
        lanes: L,
        rows: Range<usize>,
        query: &[f32],
        squares: &mut Vec<f32>,
    ) -> Option<f64> {
        Some(match self.grid.scalar.bits {
            8 => self.squares_of::<L, 8>(lanes, rows, query, squares),
            6 => self.squares_of::<L, 6>(lanes, rows, query, squares),
            _ => self.squares_of::<L, 4>(lanes, rows, query, squares),
        })
    }
}

impl CodedRows<'_> {
    /// |(q - y - first) - word step|², words straight from the codes. Each element is off by no more than eight roundings of the sum of what it is made of.
    #[inline(always)]
    fn squares_of<L: Lanes, const BITS: usize>(
        &self,
        lanes: L,
        rows: Range<usize>,
        query: &[f32],
        squares: &mut Vec<f32>,
    ) -> f64 {
        let Grid { scalar, firsts, steps } = &self.grid;
        let (d, bytes, most) = (scalar.d, scalar.bytes(), f32::from(scalar.most()));
        // In the order of the vectors that loads give; zeros where there is no element.
        let padded = bytes.div_ceil(read::<L, BITS>()) * words::<L, BITS>();
        let (mut negative, mut rest) = (vec![0.0f32; padded], vec![0.0f32; padded]);
        for (j, step) in steps.iter().enumerate() {
            negative[place::<L, BITS>(j)] = -step;
        }
        squares.clear();
        squares.reserve(rows.len() + TOGETHER);
        let (mut off, mut start) = (0.0f64, rows.start);
        let mut list = self
            .centroids
            .map_or(0, |(_, offsets)| offsets.partition_point(|&first| first as usize <= rows.start) - 1);
        let (mut parts, zeros) = (vec![0.0f32; d], vec![0.0f32; d]);
        while start < rows.end {
            // The rows of one list.
            let (center, end) = match self.centroids {
                Some((centroids, offsets)) => {
                    (&centroids[list * d..(list + 1) * d], rows.end.min(offsets[list + 1] as usize))
                }
                None => (&zeros[..], rows.end),
            };
            list += 1;
            for (j, part) in parts.iter_mut().enumerate() {
                let (q, y, first) = (query[j], center[j], firsts[j]);
                rest[place::<L, BITS>(j)] = q - y - first;
                *part = q.abs() + y.abs() + first.abs() + most * steps[j].abs();
            }
            let sum = f64::from(squared_length(lanes, &parts)) * (1.0 + 2.0 * gamma(d));
            off = off.max(4.0 * f64::from(f32::EPSILON) * sum.sqrt());
            let mut blocks = self.codes[start * bytes..end * bytes].chunks_exact(TOGETHER * bytes);
            for block in &mut blocks {
                squares.extend_from_slice(&distances::<L, BITS>(lanes, block, bytes, &negative, &rest));
            }
            let left = blocks.remainder();
            if !left.is_empty() {
                let some = distances::<L, BITS>(lanes, left, bytes, &negative, &rest);
                squares.extend_from_slice(&some[..left.len() / bytes]);
            }
            start = end;
        }
        off
    }
}

/// Vectors of words that one load of codes gives.
const fn vectors(bits: usize) -> usize {
    match bits {
        8 => 1,
        4 => 2,
        _ => 4,
    }
}

/// The words of one load.
const fn words<L: Lanes, const BITS: usize>() -> usize {
    vectors(BITS) * L::WIDTH
}

/// The bytes of one load.
const fn read<L: Lanes, const BITS: usize>() -> usize {
    words::<L, BITS>() * BITS / 8
}

/// Where the word of element `j` comes to lie: of those that lie together in bytes, one in each vector.
#[inline(always)]
const fn place<L: Lanes, const BITS: usize>(j: usize) -> usize {
    let (load, within) = (j / words::<L, BITS>(), j % words::<L, BITS>());
    load * words::<L, BITS>() + within % vectors(BITS) * L::WIDTH + within / vectors(BITS)
}

/// The words of one load; zeros in vectors that it has not.
///
/// # Safety
/// The bytes of one load can be read.
#[inline(always)]
unsafe fn load<L: Lanes, const BITS: usize>(lanes: L, from: *const u8) -> [L::V; 4] {
    let none = lanes.splat(0.0);
    // SAFETY: as the caller says.
    unsafe {
        match BITS {
            8 => [lanes.load_bytes(from), none, none, none],
            4 => {
                let [low, high] = lanes.load_nibbles(from);
                [low, high, none, none]
            }
            _ => lanes.load_sixes(from),
        }
    }
}

/// |rest + word negative|² of the codes of up to four rows, of so many bytes each; of fewer, whatever after them.
#[inline(always)]
fn distances<L: Lanes, const BITS: usize>(
    lanes: L,
    codes: &[u8],
    bytes: usize,
    negative: &[f32],
    rest: &[f32],
) -> [f32; TOGETHER] {
    let (read, words, rows) = (read::<L, BITS>(), words::<L, BITS>(), codes.len() / bytes);
    assert!((1..=TOGETHER).contains(&rows) && codes.len() == rows * bytes);
    assert!(rest.len() == bytes.div_ceil(read) * words && negative.len() == rest.len());
    let (codes, step) = (codes.as_ptr(), |row: usize| row.min(rows - 1) * bytes);
    let steps = [step(0), step(1), step(2), step(3)];
    let mut sums = [lanes.splat(0.0); TOGETHER];
    // What is left of the rows after whole loads.
    let mut last = [[0u8; 3 * WIDEST]; TOGETHER];
    for (number, (negative, rest)) in negative.chunks_exact(words).zip(rest.chunks_exact(words)).enumerate() {
        let first = number * read;
        let whole = first + read <= bytes;
        unrolled!(row < TOGETHER, {
            let mut from = codes.wrapping_add(steps[row] + first);
            if !whole {
                let left = bytes - first;
                // SAFETY: the bytes that are left of the row, fewer than the longest load has.
                last[row][..left].copy_from_slice(unsafe { std::slice::from_raw_parts(from, left) });
                from = last[row].as_ptr();
            }
            // SAFETY: a whole load is left of the row, or this is its copy, as long as the longest load.
            let loaded = unsafe { load::<L, BITS>(lanes, from) };
            unrolled!(n < 4, {
                if n < vectors(BITS) {
                    let at = n * L::WIDTH;
                    let (negative, rest) = (lanes.load(&negative[at..]), lanes.load(&rest[at..]));
                    let difference = lanes.mul_add(loaded[n], negative, rest);
                    sums[row] = lanes.mul_add(difference, difference, sums[row]);
                }
            });
        });
    }
    lanes.sums(sums)
}

/// The vectors `[n, d]` that codes `[n, bytes]` of [`sq_encode`](super::sq_encode()) stand for. On the host; fails on shapes and dtypes that do not fit.
pub fn sq_decode(codes: &Tensor, ranges: &Tensor, bits: usize) -> Result<Tensor> {
    let (codes, ranges) = (codes.to_host()?, ranges.to_host()?);
    let d = check_ranges("sq_decode", &Stream::cpu(), &ranges)?;
    let scalar = Scalar::new("sq_decode", d, bits)?;
    check_tensor("sq_decode", "codes", &Stream::cpu(), &codes, &[DType::U8])?;
    let n = match *codes.dims() {
        [n, bytes] if bytes == scalar.bytes() => n,
        _ => {
            let expected = format!("[n, {}]", scalar.bytes());
            return Err(Error::shape("sq_decode", "codes", expected, codes.shape()));
        }
    };
    let grid = Grid::of(ranges.as_slice()?, scalar);
    let mut x = vec![0.0f32; n * d];
    for (x, code) in x.chunks_exact_mut(d).zip(codes.as_slice::<u8>()?.chunks_exact(scalar.bytes())) {
        grid.decode(code, x);
    }
    Tensor::from_vec(x, [n, d])
}
