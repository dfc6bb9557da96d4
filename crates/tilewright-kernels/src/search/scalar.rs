//! What the kernels of scalar quantisation share: codes as strings of bits, and the numbers that they stand for.

use std::ops::Range;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use super::lanes::Lanes;
use super::scan::Rows;
use crate::arguments::check_tensor;

/// Elements that are unpacked at a time: whole bytes of codes of 8, 6 and 4 bits.
const CHUNK: usize = 64;

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

    /// Of codes of whole bytes: |(q - y - first) - word step|². Each element is off by no more than eight roundings of the sum of what it is made of.
    #[inline(always)]
    fn squares<L: Lanes>(
        &self,
        lanes: L,
        rows: Range<usize>,
        query: &[f32],
        squares: &mut Vec<f32>,
    ) -> Option<f64> {
        const TOGETHER: usize = 4;
        let Grid { scalar, firsts, steps } = &self.grid;
        let d = scalar.d;
        if scalar.bits != 8 || !d.is_multiple_of(L::WIDTH) {
            return None;
        }
        squares.clear();
        let (mut off, mut rest, mut start) = (0.0f64, vec![0.0f32; d], rows.start);
        let mut list = self
            .centroids
            .map_or(0, |(_, offsets)| offsets.partition_point(|&first| first as usize <= rows.start) - 1);
        while start < rows.end {
            // The rows of one list.
            let mut end = rows.end;
            let mut sum = 0.0f64;
            let mut part = |j: usize, y: f32| {
                rest[j] = query[j] - y - firsts[j];
                let parts = query[j].abs() + y.abs() + firsts[j].abs() + 255.0 * steps[j].abs();
                sum += f64::from(parts).powi(2);
            };
            match self.centroids {
                Some((centroids, offsets)) => {
                    end = end.min(offsets[list + 1] as usize);
                    (0..d).for_each(|j| part(j, centroids[list * d + j]));
                    list += 1;
                }
                None => (0..d).for_each(|j| part(j, 0.0)),
            }
            off = off.max(4.0 * f64::from(f32::EPSILON) * sum.sqrt());
            let codes = &self.codes[start * d..end * d];
            let mut blocks = codes.chunks_exact(TOGETHER * d);
            for block in &mut blocks {
                squares.extend(squares_of::<L, TOGETHER>(lanes, block, steps, &rest));
            }
            for row in blocks.remainder().chunks_exact(d) {
                squares.extend(squares_of::<L, 1>(lanes, row, steps, &rest));
            }
            start = end;
        }
        Some(off)
    }
}

/// |rest - word step|² of the codes of some rows, one byte an element.
#[inline(always)]
fn squares_of<L: Lanes, const N: usize>(lanes: L, codes: &[u8], steps: &[f32], rest: &[f32]) -> [f32; N] {
    let d = rest.len();
    assert!(codes.len() == N * d && steps.len() == d && d.is_multiple_of(L::WIDTH));
    let zero = lanes.splat(0.0);
    let mut sums = [zero; N];
    for j in (0..d).step_by(L::WIDTH) {
        let (step, rest) = (lanes.sub(zero, lanes.load(&steps[j..])), lanes.load(&rest[j..]));
        for (row, sum) in sums.iter_mut().enumerate() {
            // SAFETY: byte `j` of row `row` and those after it in the vector are there, as asserted.
            let words = unsafe { lanes.load_bytes(codes.as_ptr().wrapping_add(row * d + j)) };
            let difference = lanes.mul_add(words, step, rest);
            *sum = lanes.mul_add(difference, difference, *sum);
        }
    }
    sums.map(|sum| lanes.sum(sum))
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
