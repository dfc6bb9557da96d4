//! Sums of table entries for the 64 rows of a block at a time, in vector registers: what a scan of codes drops rows by.
//!
//! A table's entries become bytes, rounded down in steps of a common size from the table's least entry. So `least + step * sum of bytes` is never above
//! the sum of the entries, and a row for which even that is above the bound is certainly not among the best. Bytes are at most 127, so that two of them can be
//! added before their sum needs 16 bits. Sixteen entries are one register that `vpshufb` looks up in, 256 are four for `vpermi2b` (AVX-512 VBMI).

use super::best::key_of;
use super::codes::BLOCK;
use super::product::word;

/// The tables of one query as bytes.
pub(super) struct Steps {
    /// For 256 words `[2 ceil(m / 2), 256]`; for 16 words `[2 ceil(m / 2), 4, 16]`, the same four times; zeros where there is no table.
    entries: Vec<u8>,
    /// The least entry of each table.
    lows: Vec<f32>,
    words: usize,
    /// The bytes of a code.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "the plain way counts them by its tables")
    )]
    bytes: usize,
    /// The sum of the tables' least entries.
    pub(super) least: f64,
    /// Never more than what one step of a byte stands for.
    pub(super) step: f32,
    /// How far roundings may lift what should be below.
    pub(super) slack: f64,
    /// How far a row may be above `least + step * sum of bytes`.
    pub(super) width: f64,
}

impl Steps {
    /// Room for the bytes of tables of one shape; nothing is known of their sums yet.
    pub(super) fn new(m: usize, words: usize) -> Self {
        Self {
            entries: vec![0; m.next_multiple_of(2) * stride(words)],
            lows: vec![0.0; m],
            words,
            bytes: super::product::bytes(m, words),
            least: f64::NEG_INFINITY,
            step: 0.0,
            slack: 0.0,
            width: f64::INFINITY,
        }
    }

    /// Takes on the tables of another query. With numbers that are not finite they have no bytes: nothing is known of their sums.
    #[inline(always)]
    pub(super) fn set<L: Lookups>(&mut self, lookups: L, table: &[f32]) {
        let (words, m) = (self.words, self.lows.len());
        (self.least, self.step, self.slack, self.width) = (f64::NEG_INFINITY, 0.0, 0.0, f64::INFINITY);
        let (mut widest, mut total, mut least) = (0.0f32, 0.0f64, 0.0f64);
        for (low, own) in self.lows.iter_mut().zip(table.chunks_exact(words)) {
            let (lowest, highest, finite) = lookups.range_of(own);
            if !finite {
                self.entries.fill(0);
                return;
            }
            *low = lowest;
            widest = widest.max(highest - lowest);
            total += f64::from(highest - lowest);
            least += f64::from(lowest);
        }
        // All sums of bytes fit 16 bits.
        let step = (f64::from(widest) / 127.0).max(total / 65_000.0) as f32;
        if !step.is_finite() || step < 1e-30 {
            self.entries.fill(0);
            return;
        }
        let inverse = 1.0 / step;
        let entries = self.entries.chunks_exact_mut(stride(words));
        for ((to, from), &low) in entries.zip(table.chunks_exact(words)).zip(&self.lows) {
            // Finite and from 0 on; at most a rounding above 127, which the integer is not.
            for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0) {
                *to = lookups.steps_of(from, low, inverse);
            }
            let (first, copies) = to.split_at_mut(words);
            for copy in copies.as_chunks_mut::<16>().0 {
                copy.copy_from_slice(&first[..16]);
            }
        }
        self.least = least;
        self.step = step;
        // A difference, the reciprocal, and the product are each off by a rounding, of at most 128 steps; and the f32 sum of three after them.
        self.slack = m as f64 * f64::from(step) * 128.0 * 4.0 * f64::from(f32::EPSILON);
        self.width = m as f64 * f64::from(step) + 2.0 * self.slack;
    }
}

/// Bytes from one table's first entry to the next one's.
fn stride(words: usize) -> usize {
    words.max(BLOCK)
}

/// The least and greatest of a multiple of 16 numbers, and whether all are finite.
#[inline(always)]
fn range(table: &[f32]) -> (f32, f32, bool) {
    let (mut low, mut high, mut zeros) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16], [0.0f32; 16]);
    for sixteen in table.as_chunks::<16>().0 {
        for lane in 0..16 {
            let x = sixteen[lane];
            low[lane] = if x < low[lane] { x } else { low[lane] };
            high[lane] = if x > high[lane] { x } else { high[lane] };
            // NaN from the first number on that is not finite.
            zeros[lane] += x * 0.0;
        }
    }
    let low = low.into_iter().fold(f32::INFINITY, f32::min);
    let high = high.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (low, high, zeros.iter().all(|&zero| zero == 0.0))
}

/// Rows of a block from which on keys are made of all of it.
const MANY: u32 = 8;

/// More than three roundings of a number in f32.
const ROUNDED: f32 = 2.0 * f32::EPSILON;

/// A way to look up.
pub(super) trait Lookups: Copy {
    /// The sums of the bytes that the codes `[bytes, 64]` of a block name.
    fn sums(self, codes: &[u8], steps: &Steps, sums: &mut [u16; BLOCK]);

    /// A bit for each row where `bias + step * sum > limit` does not hold, NaN included.
    #[inline(always)]
    fn passing(self, sums: &[u16; BLOCK], biases: &[f32; BLOCK], step: f32, limit: f32) -> u64 {
        let mut passing = 0;
        for (row, (&sum, &bias)) in sums.iter().zip(biases).enumerate() {
            let above = f64::from(bias) + f64::from(step) * f64::from(sum) > f64::from(limit);
            passing |= u64::from(!above) << row;
        }
        passing
    }

    /// The least and greatest of a multiple of 16 numbers, and whether all are finite.
    #[inline(always)]
    fn range_of(self, table: &[f32]) -> (f32, f32, bool) {
        range(table)
    }

    /// How many whole steps, of which `inverse` is the reciprocal, 16 numbers are above `low`: 127 at most.
    #[inline(always)]
    fn steps_of(self, table: &[f32; 16], low: f32, inverse: f32) -> [u8; 16] {
        table.map(|x| ((x - low) * inverse) as i32 as u8)
    }

    /// Appends, for each of these rows of a block, a key that `shift + bias + step * sum` is not below, though f32 rounds it, above the row's number, the first row's being `number`.
    /// Gives back the rows where that is not finite.
    #[inline(always)]
    fn wait(
        self,
        (sums, biases): (&[u16; BLOCK], &[f32; BLOCK]),
        (step, shift): (f32, f32),
        rows: u64,
        number: u32,
        waiting: &mut Vec<u64>,
    ) -> u64 {
        let key = |lane: usize| {
            let value = (biases[lane] + step * f32::from(sums[lane])) + shift;
            (key_of(value - ROUNDED * value.abs()), value.is_finite())
        };
        // Many are had by all lanes' keys at once, which is vectors.
        let many = rows.count_ones() >= MANY;
        let (mut keys, mut finite) = ([0; BLOCK], [false; BLOCK]);
        if many {
            for lane in 0..BLOCK {
                (keys[lane], finite[lane]) = key(lane);
            }
        }
        let (mut left, mut rest) = (rows, 0);
        waiting.reserve(BLOCK);
        while left != 0 {
            let lane = left.trailing_zeros();
            left &= left - 1;
            let own = lane as usize;
            let (key, finite) = if many { (keys[own], finite[own]) } else { key(own) };
            if finite {
                waiting.push(u64::from(key) << 32 | u64::from(number + lane));
            } else {
                rest |= 1 << lane;
            }
        }
        rest
    }

    /// A bit for each row where `bias + factor (low + step * sum)`, less than all that f64 rounds of it, is not above a limit, or the factor is negative; NaN included.
    #[inline(always)]
    fn passing_scaled(
        self,
        sums: &[u16; BLOCK],
        (biases, factors): (&[f32; BLOCK], &[f32; BLOCK]),
        (low, step): (f64, f32),
        limit: f64,
    ) -> u64 {
        let mut above = [false; BLOCK];
        for row in 0..BLOCK {
            let (bias, factor) = (f64::from(biases[row]), f64::from(factors[row]));
            let steps = f64::from(step) * f64::from(sums[row]);
            let rounded = 1e-14 * (bias.abs() + factor * (low.abs() + steps));
            above[row] = (bias + factor * (low + steps) - rounded > limit) & (factor >= 0.0);
        }
        above.iter().rev().fold(0, |passing, &above| passing << 1 | u64::from(!above))
    }
}

/// The sum in f64 of the table entries, f32 or those as f64, that the code of a row of a block names: four sums side by side, the same on every machine.
#[inline(always)]
pub(super) fn exact_sum<T: Copy>(
    table: &[T],
    m: usize,
    words: usize,
    block: &[[u8; BLOCK]],
    row: usize,
) -> f64
where
    f64: From<T>,
{
    let (mut sums, lane) = ([0.0f64; 4], row % BLOCK);
    // Four parts at a time, by words that no table is too short for; then the rest.
    if words == 16 {
        for (tables, own) in table.as_chunks::<64>().0.iter().zip(block.as_chunks::<2>().0) {
            let (first, second) = (usize::from(own[0][lane]), usize::from(own[1][lane]));
            sums[0] += f64::from(tables[first & 15]);
            sums[1] += f64::from(tables[16 + (first >> 4)]);
            sums[2] += f64::from(tables[32 + (second & 15)]);
            sums[3] += f64::from(tables[48 + (second >> 4)]);
        }
    } else {
        for (tables, own) in table.as_chunks::<1024>().0.iter().zip(block.as_chunks::<4>().0) {
            for (part, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(tables[256 * part + usize::from(own[part][lane])]);
            }
        }
    }
    for j in m / 4 * 4..m {
        sums[j % 4] += f64::from(table[j * words + word(words, j, |byte| block[byte][lane])]);
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Work that is written over [`Lookups`].
pub(super) trait Task {
    /// What it gives.
    type Output;
    /// Runs it.
    fn run<L: Lookups>(self, lookups: L) -> Self::Output;
}

/// Runs a task with the widest registers that this machine has.
pub(super) fn dispatch<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(lookups) = x86::Avx512::found() {
            return lookups.dispatch(task);
        }
        if let Some(lookups) = x86::Avx2::found() {
            return lookups.dispatch(task);
        }
    }
    task.run(Plain)
}

/// One entry after another.
#[derive(Clone, Copy)]
struct Plain;

impl Lookups for Plain {
    #[inline(always)]
    fn sums(self, codes: &[u8], steps: &Steps, sums: &mut [u16; BLOCK]) {
        sums.fill(0);
        let (nibbles, w) = (steps.words == 16, stride(steps.words));
        for pair in 0..steps.entries.len() / (2 * w) {
            let (low, high) = steps.entries[2 * pair * w..2 * (pair + 1) * w].split_at(w);
            let first = &codes[if nibbles { pair } else { 2 * pair } * BLOCK..][..BLOCK];
            let second =
                if nibbles { None } else { codes.get((2 * pair + 1) * BLOCK..(2 * pair + 2) * BLOCK) };
            for (row, (sum, &code)) in sums.iter_mut().zip(first).enumerate() {
                let (a, b) = if nibbles {
                    (low[usize::from(code & 15)], high[usize::from(code >> 4)])
                } else {
                    (low[usize::from(code)], second.map_or(0, |codes| high[usize::from(codes[row])]))
                };
                *sum += u16::from(a + b);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[path = "lookup_x86.rs"]
mod x86;
