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
    /// Tables with numbers that are not finite have no bytes: nothing is known of their sums.
    #[inline(always)]
    pub(super) fn of<L: Lookups>(lookups: L, table: &[f32], m: usize, words: usize) -> Self {
        let even = m.next_multiple_of(2);
        let bytes = super::product::bytes(m, words);
        let mut steps = Self {
            entries: vec![0; even * stride(words)],
            words,
            bytes,
            least: f64::NEG_INFINITY,
            step: 0.0,
            slack: 0.0,
            width: f64::INFINITY,
        };
        let (mut widest, mut total, mut least) = (0.0f32, 0.0f64, 0.0f64);
        let mut lows = vec![0.0f32; m];
        for (low, own) in lows.iter_mut().zip(table.chunks_exact(words)) {
            let (lowest, highest, finite) = lookups.range_of(own);
            if !finite {
                return steps;
            }
            *low = lowest;
            widest = widest.max(highest - lowest);
            total += f64::from(highest - lowest);
            least += f64::from(lowest);
        }
        // All sums of bytes fit 16 bits.
        let step = (f64::from(widest) / 127.0).max(total / 65_000.0) as f32;
        if !step.is_finite() || step < 1e-30 {
            return steps;
        }
        let inverse = 1.0 / step;
        for ((to, from), &low) in
            steps.entries.chunks_exact_mut(stride(words)).zip(table.chunks_exact(words)).zip(&lows)
        {
            // Finite and from 0 on; at most a rounding above 127, which the integer is not.
            for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0) {
                *to = lookups.steps_of(from, low, inverse);
            }
            let (first, copies) = to.split_at_mut(words);
            for copy in copies.as_chunks_mut::<16>().0 {
                copy.copy_from_slice(&first[..16]);
            }
        }
        steps.least = least;
        steps.step = step;
        // A difference, the reciprocal, and the product are each off by a rounding, of at most 128 steps; and the f32 sum of three after them.
        steps.slack = m as f64 * f64::from(step) * 128.0 * 4.0 * f64::from(f32::EPSILON);
        steps.width = m as f64 * f64::from(step) + 2.0 * steps.slack;
        steps
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
        let (mut left, mut rest) = (rows, 0);
        while left != 0 {
            let lane = left.trailing_zeros();
            left &= left - 1;
            let value = (biases[lane as usize] + step * f32::from(sums[lane as usize])) + shift;
            if value.is_finite() {
                waiting
                    .push(u64::from(key_of(value - ROUNDED * value.abs())) << 32 | u64::from(number + lane));
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

/// The sum in f64 of the table entries that a code names: four sums side by side, the same on every machine.
#[inline(always)]
pub(super) fn exact_sum(table: &[f32], m: usize, words: usize, byte: impl Fn(usize) -> u8) -> f64 {
    let mut sums = [0.0f64; 4];
    // Four parts at a time, by words that no table is too short for; then the rest.
    let mut done = 0;
    if words == 16 {
        for tables in table.as_chunks::<64>().0 {
            let [first, second] = [done / 2, done / 2 + 1].map(|i| usize::from(byte(i)));
            sums[0] += f64::from(tables[first & 15]);
            sums[1] += f64::from(tables[16 + (first >> 4 & 15)]);
            sums[2] += f64::from(tables[32 + (second & 15)]);
            sums[3] += f64::from(tables[48 + (second >> 4 & 15)]);
            done += 4;
        }
    } else {
        for tables in table.as_chunks::<1024>().0 {
            for (part, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(tables[256 * part + usize::from(byte(done + part))]);
            }
            done += 4;
        }
    }
    for j in done..m {
        sums[j % 4] += f64::from(table[j * words + word(words, j, &byte)]);
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
mod x86 {
    use std::arch::x86_64::*;

    use super::{BLOCK, Lookups, Plain, ROUNDED, Steps, Task, stride};

    /// A proof that the machine has AVX2: nothing else makes one.
    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    impl Avx2 {
        pub(super) fn found() -> Option<Self> {
            is_x86_feature_detected!("avx2").then_some(Avx2(()))
        }

        pub(super) fn dispatch<T: Task>(self, task: T) -> T::Output {
            #[target_feature(enable = "avx2")]
            fn inside<T: Task>(task: T, lookups: Avx2) -> T::Output {
                task.run(lookups)
            }
            // SAFETY: `self` exists, so the machine has AVX2.
            unsafe { inside(task, self) }
        }
    }

    impl Lookups for Avx2 {
        #[inline(always)]
        fn sums(self, codes: &[u8], steps: &Steps, sums: &mut [u16; BLOCK]) {
            if steps.words != 16 {
                // 256 entries do not fit the registers.
                return Plain.sums(codes, steps, sums);
            }
            assert!(codes.len() == steps.bytes * BLOCK && steps.entries.len() == 2 * BLOCK * steps.bytes);
            // SAFETY: `self` exists, so the machine has AVX2; byte `j` of two times 32 rows and two tables, which are there more than twice, are read, as many as asserted, and
            // 16 sums are written four times.
            unsafe {
                let (low, first) = (_mm256_set1_epi8(15), _mm256_set1_epi16(255));
                for half in 0..2 {
                    // Sums of the rows with even numbers, and of those with odd ones.
                    let mut parity = [_mm256_setzero_si256(); 2];
                    for j in 0..steps.bytes {
                        let code = _mm256_lddqu_si256(codes.as_ptr().add(j * BLOCK + 32 * half).cast());
                        let table = steps.entries.as_ptr().add(2 * BLOCK * j);
                        let one = _mm256_lddqu_si256(table.cast());
                        let other = _mm256_lddqu_si256(table.add(BLOCK).cast());
                        let a = _mm256_shuffle_epi8(one, _mm256_and_si256(code, low));
                        let code = _mm256_and_si256(_mm256_srli_epi16::<4>(code), low);
                        let pair = _mm256_add_epi8(a, _mm256_shuffle_epi8(other, code));
                        parity[0] = _mm256_add_epi16(parity[0], _mm256_and_si256(pair, first));
                        parity[1] = _mm256_add_epi16(parity[1], _mm256_srli_epi16::<8>(pair));
                    }
                    // Rows 0..8 and 16..24 of this half, and 8..16 and 24..32.
                    let left = _mm256_unpacklo_epi16(parity[0], parity[1]);
                    let right = _mm256_unpackhi_epi16(parity[0], parity[1]);
                    let to: *mut __m256i = sums.as_mut_ptr().add(32 * half).cast();
                    _mm256_storeu_si256(to, _mm256_permute2x128_si256::<0x20>(left, right));
                    _mm256_storeu_si256(to.add(1), _mm256_permute2x128_si256::<0x31>(left, right));
                }
            }
        }
    }

    /// A proof that the machine has AVX-512 with byte permutations: nothing else makes one.
    #[derive(Clone, Copy)]
    pub(super) struct Avx512(());

    impl Avx512 {
        pub(super) fn found() -> Option<Self> {
            let all = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma");
            all.then_some(Avx512(()))
        }

        pub(super) fn dispatch<T: Task>(self, task: T) -> T::Output {
            #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx2,fma")]
            fn inside<T: Task>(task: T, lookups: Avx512) -> T::Output {
                task.run(lookups)
            }
            // SAFETY: `self` exists, so the machine has these features.
            unsafe { inside(task, self) }
        }
    }

    /// The bytes of 64 codes in a table of 256.
    ///
    /// # Safety
    /// The machine has AVX-512 with byte permutations, and 256 bytes can be read from `table` on.
    #[inline(always)]
    unsafe fn wide(code: __m512i, table: *const u8) -> __m512i {
        // SAFETY: as the caller says.
        unsafe {
            let first = _mm512_maskz_loadu_epi8(u64::MAX, table.cast());
            let second = _mm512_maskz_loadu_epi8(u64::MAX, table.add(64).cast());
            let third = _mm512_maskz_loadu_epi8(u64::MAX, table.add(128).cast());
            let fourth = _mm512_maskz_loadu_epi8(u64::MAX, table.add(192).cast());
            let low = _mm512_permutex2var_epi8(first, code, second);
            let high = _mm512_permutex2var_epi8(third, code, fourth);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(code), low, high)
        }
    }

    impl Lookups for Avx512 {
        #[inline(always)]
        fn sums(self, codes: &[u8], steps: &Steps, sums: &mut [u16; BLOCK]) {
            let tables = steps.entries.len() / stride(steps.words);
            assert!(codes.len() == steps.bytes * BLOCK);
            assert!(
                tables == if steps.words == 16 { 2 * steps.bytes } else { steps.bytes.next_multiple_of(2) }
            );
            // SAFETY: `self` exists, so the machine has these features; 64 rows of each of the code's bytes, and the tables of each pair, are read, as
            // many as asserted, and 32 sums are written twice. Loads with a full mask are plain ones, without the checks and copies of debug builds.
            unsafe {
                let low = _mm512_set1_epi8(15);
                // Whole words of two rows' bytes, and the odd rows' alone.
                let (mut both, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
                let (mut own, mut table) = (codes.as_ptr(), steps.entries.as_ptr());
                if steps.words == 16 {
                    for _ in 0..steps.bytes {
                        let code = _mm512_maskz_loadu_epi8(u64::MAX, own.cast());
                        let one = _mm512_maskz_loadu_epi8(u64::MAX, table.cast());
                        let other = _mm512_maskz_loadu_epi8(u64::MAX, table.add(BLOCK).cast());
                        let a = _mm512_shuffle_epi8(one, _mm512_and_si512(code, low));
                        let code = _mm512_and_si512(_mm512_srli_epi16::<4>(code), low);
                        let sum = _mm512_add_epi8(a, _mm512_shuffle_epi8(other, code));
                        both = _mm512_add_epi16(both, sum);
                        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(sum));
                        (own, table) = (own.add(BLOCK), table.add(2 * BLOCK));
                    }
                } else {
                    for _ in 0..steps.bytes / 2 {
                        let a = wide(_mm512_maskz_loadu_epi8(u64::MAX, own.cast()), table);
                        let code = _mm512_maskz_loadu_epi8(u64::MAX, own.add(BLOCK).cast());
                        let sum = _mm512_add_epi8(a, wide(code, table.add(256)));
                        both = _mm512_add_epi16(both, sum);
                        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(sum));
                        (own, table) = (own.add(2 * BLOCK), table.add(512));
                    }
                    if steps.bytes % 2 == 1 {
                        let sum = wide(_mm512_maskz_loadu_epi8(u64::MAX, own.cast()), table);
                        both = _mm512_add_epi16(both, sum);
                        odd = _mm512_add_epi16(odd, _mm512_srli_epi16::<8>(sum));
                    }
                }
                let even = _mm512_sub_epi16(both, _mm512_slli_epi16::<8>(odd));
                // 128 bits of rows 16 q .. 16 q + 8 each, and of the eight after them.
                let (left, right) = (_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd));
                let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
                let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
                let to = sums.as_mut_ptr();
                _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi64(left, first, right));
                _mm512_storeu_si512(to.add(32).cast(), _mm512_permutex2var_epi64(left, second, right));
            }
        }

        #[inline(always)]
        fn passing(self, sums: &[u16; BLOCK], biases: &[f32; BLOCK], step: f32, limit: f32) -> u64 {
            let mut passing = 0;
            for part in 0..4 {
                // SAFETY: as above; 16 of 64 sums and biases are read four times.
                unsafe {
                    let sum = _mm256_lddqu_si256(sums.as_ptr().add(16 * part).cast());
                    let sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sum));
                    let bias = _mm512_maskz_loadu_ps(u16::MAX, biases.as_ptr().add(16 * part));
                    // One rounding, in the order of the numbers: what is not above the limit stays so.
                    let value = _mm512_fmadd_ps(sum, _mm512_set1_ps(step), bias);
                    let mask = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(value, _mm512_set1_ps(limit));
                    passing |= u64::from(mask) << (16 * part);
                }
            }
            passing
        }

        #[inline(always)]
        fn range_of(self, table: &[f32]) -> (f32, f32, bool) {
            // SAFETY: `self` exists, so the machine has these features; 16 numbers of a chunk are read.
            unsafe {
                let infinite = _mm512_set1_ps(f32::INFINITY);
                let (mut low, mut high) = (infinite, _mm512_set1_ps(f32::NEG_INFINITY));
                let mut finite = u16::MAX;
                for some in table.as_chunks::<16>().0 {
                    let x = _mm512_maskz_loadu_ps(u16::MAX, some.as_ptr());
                    finite &= _mm512_cmp_ps_mask::<_CMP_LT_OQ>(_mm512_abs_ps(x), infinite);
                    (low, high) = (_mm512_min_ps(low, x), _mm512_max_ps(high, x));
                }
                (_mm512_reduce_min_ps(low), _mm512_reduce_max_ps(high), finite == u16::MAX)
            }
        }

        #[inline(always)]
        fn steps_of(self, table: &[f32; 16], low: f32, inverse: f32) -> [u8; 16] {
            let mut bytes = [0; 16];
            // SAFETY: `self` exists, so the machine has these features; 16 numbers are read and as many bytes written.
            unsafe {
                let x = _mm512_sub_ps(_mm512_maskz_loadu_ps(u16::MAX, table.as_ptr()), _mm512_set1_ps(low));
                let steps = _mm512_cvttps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(inverse)));
                _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(steps));
            }
            bytes
        }

        #[inline(always)]
        fn wait(
            self,
            (sums, biases): (&[u16; BLOCK], &[f32; BLOCK]),
            (step, shift): (f32, f32),
            rows: u64,
            number: u32,
            waiting: &mut Vec<u64>,
        ) -> u64 {
            let mut rest = 0;
            waiting.reserve(BLOCK);
            for part in 0..4 {
                let some = (rows >> (16 * part)) as u16;
                // SAFETY: as above; 16 of 64 sums and biases are read four times at most. Up to 16 keys are written after the vector's last, for 64 of which there is room.
                unsafe {
                    let sum = _mm256_lddqu_si256(sums.as_ptr().add(16 * part).cast());
                    let sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sum));
                    let bias = _mm512_maskz_loadu_ps(u16::MAX, biases.as_ptr().add(16 * part));
                    let value = _mm512_add_ps(
                        _mm512_fmadd_ps(sum, _mm512_set1_ps(step), bias),
                        _mm512_set1_ps(shift),
                    );
                    let size = _mm512_abs_ps(value);
                    let finite =
                        _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(some, size, _mm512_set1_ps(f32::INFINITY));
                    rest |= u64::from(some & !finite) << (16 * part);
                    // As `key_of` of a number does; 0 is added to -0.
                    let low = _mm512_add_ps(
                        _mm512_fnmadd_ps(size, _mm512_set1_ps(ROUNDED), value),
                        _mm512_setzero_ps(),
                    );
                    let bits = _mm512_castps_si512(low);
                    let sign = _mm512_or_si512(_mm512_srai_epi32::<31>(bits), _mm512_set1_epi32(i32::MIN));
                    let keys = _mm512_xor_si512(bits, sign);
                    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                    let numbers =
                        _mm512_add_epi32(lanes, _mm512_set1_epi32((number + 16 * part as u32) as i32));
                    for half in 0..2 {
                        let keys = if half == 0 {
                            _mm512_castsi512_si256(keys)
                        } else {
                            _mm512_extracti64x4_epi64::<1>(keys)
                        };
                        let numbers = if half == 0 {
                            _mm512_castsi512_si256(numbers)
                        } else {
                            _mm512_extracti64x4_epi64::<1>(numbers)
                        };
                        let both = _mm512_or_si512(
                            _mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(keys)),
                            _mm512_cvtepu32_epi64(numbers),
                        );
                        let chosen = (finite >> (8 * half)) as u8;
                        let to = waiting.as_mut_ptr().add(waiting.len());
                        // A store under a mask would be slower than one of what is there anyway.
                        _mm512_storeu_si512(to.cast(), _mm512_maskz_compress_epi64(chosen, both));
                        waiting.set_len(waiting.len() + chosen.count_ones() as usize);
                    }
                }
            }
            rest
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// Bytes without structure.
        fn bytes(count: usize, mut state: u32) -> Vec<u8> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            (0..count).map(|_| next()).collect()
        }

        #[test]
        fn every_way_to_look_up_finds_the_same_sums() {
            for (m, words) in [(1, 16), (2, 16), (7, 16), (32, 16), (1, 256), (2, 256), (9, 256), (32, 256)] {
                let table: Vec<f32> = bytes(m * words, 7).iter().map(|&x| f32::from(x) - 99.0).collect();
                let steps = Steps::of(Plain, &table, m, words);
                let mut codes = bytes(steps.bytes * BLOCK, m as u32);
                if words == 16 && m % 2 == 1 {
                    codes[(steps.bytes - 1) * BLOCK..].iter_mut().for_each(|code| *code &= 15);
                }
                let mut expected = [0; BLOCK];
                Plain.sums(&codes, &steps, &mut expected);
                let biases: [f32; BLOCK] = std::array::from_fn(|row| row as f32 * 3.0 - 50.0);
                // What a row comes to passes, rounded upwards.
                let third = f64::from(biases[3]) + f64::from(steps.step) * f64::from(expected[3]);
                let limit = (third as f32).next_up();
                let passing = Plain.passing(&expected, &biases, steps.step, limit);
                assert!(passing >> 3 & 1 == 1);
                if let Some(lookups) = Avx2::found() {
                    let mut sums = [1; BLOCK];
                    lookups.sums(&codes, &steps, &mut sums);
                    assert_eq!(sums, expected, "AVX2, {m} of {words}");
                }
                if let Some(lookups) = Avx512::found() {
                    let mut sums = [1; BLOCK];
                    lookups.sums(&codes, &steps, &mut sums);
                    assert_eq!(sums, expected, "AVX-512, {m} of {words}");
                    let own = lookups.passing(&sums, &biases, steps.step, limit);
                    assert_eq!(own | passing, own, "AVX-512 drops what may be near");
                    let (mut one, mut other) = (Vec::new(), Vec::new());
                    let mut infinite = biases;
                    infinite[20] = f32::NEG_INFINITY;
                    let steps = (steps.step, -3.5);
                    let rest = Plain.wait((&sums, &infinite), steps, own, 128, &mut one);
                    assert_eq!(lookups.wait((&sums, &infinite), steps, own, 128, &mut other), rest);
                    assert!(
                        rest == own & 1 << 20
                            && one.len() + rest.count_ones() as usize == own.count_ones() as usize
                    );
                    // A product and a sum are rounded once or twice.
                    let far = |(one, other): (&u64, &u64)| {
                        (one >> 32).abs_diff(other >> 32) > 8 || *one as u32 != *other as u32
                    };
                    assert!(!one.iter().zip(&other).any(far) && one.len() == other.len());
                }
                // Never above what they stand for.
                for (row, &sum) in expected.iter().enumerate() {
                    let word = |j| crate::search::product::word(words, j, |i| codes[i * BLOCK + row]);
                    let exact: f64 = (0..m).map(|j| f64::from(table[j * words + word(j)])).sum();
                    let bound = steps.least + f64::from(steps.step) * f64::from(sum) - steps.slack;
                    assert!(bound <= exact && exact - bound <= 256.0 * m as f64 * f64::from(steps.step));
                }
            }
        }
    }
}
