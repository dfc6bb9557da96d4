//! Lookups in the registers of x86: AVX2 and AVX-512.

use std::arch::x86_64::*;

use super::{BLOCK, Lookups, Plain, ROUNDED, Steps, Task, stride};

/// A proof that the machine has AVX2 and FMA: nothing else makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn found() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }

    pub(super) fn dispatch<T: Task>(self, task: T) -> T::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inside<T: Task>(task: T, lookups: Avx2) -> T::Output {
            task.run(lookups)
        }
        // SAFETY: `self` exists, so the machine has these features.
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
        // SAFETY: `self` exists, so the machine has AVX2; byte `j` of 64 rows and two tables, which are there more than once, are read, as many as asserted, and 16 sums are written
        // four times.
        unsafe {
            let low = _mm256_set1_epi8(15);
            // Of 32 rows each, whole words of two rows' bytes, and the odd rows' alone.
            let (mut both, mut odd) = ([_mm256_setzero_si256(); 2], [_mm256_setzero_si256(); 2]);
            let (mut own, mut table) = (codes.as_ptr(), steps.entries.as_ptr());
            for _ in 0..steps.bytes {
                let one = _mm256_lddqu_si256(table.cast());
                let other = _mm256_lddqu_si256(table.add(BLOCK).cast());
                for half in 0..2 {
                    let code = _mm256_lddqu_si256(own.add(32 * half).cast());
                    let a = _mm256_shuffle_epi8(one, _mm256_and_si256(code, low));
                    let code = _mm256_and_si256(_mm256_srli_epi16::<4>(code), low);
                    let pair = _mm256_add_epi8(a, _mm256_shuffle_epi8(other, code));
                    both[half] = _mm256_add_epi16(both[half], pair);
                    odd[half] = _mm256_add_epi16(odd[half], _mm256_srli_epi16::<8>(pair));
                }
                (own, table) = (own.add(BLOCK), table.add(2 * BLOCK));
            }
            for half in 0..2 {
                let even = _mm256_sub_epi16(both[half], _mm256_slli_epi16::<8>(odd[half]));
                // Rows 0..8 and 16..24 of this half, and 8..16 and 24..32.
                let left = _mm256_unpacklo_epi16(even, odd[half]);
                let right = _mm256_unpackhi_epi16(even, odd[half]);
                let to: *mut __m256i = sums.as_mut_ptr().add(32 * half).cast();
                _mm256_storeu_si256(to, _mm256_permute2x128_si256::<0x20>(left, right));
                _mm256_storeu_si256(to.add(1), _mm256_permute2x128_si256::<0x31>(left, right));
            }
        }
    }

    #[inline(always)]
    fn passing(self, sums: &[u16; BLOCK], biases: &[f32; BLOCK], step: f32, limit: f32) -> u64 {
        let mut passing = 0;
        for part in 0..8 {
            // SAFETY: `self` exists, so the machine has AVX2 and FMA; 8 of 64 sums and biases are read eight times.
            unsafe {
                let sum = _mm_loadu_si128(sums.as_ptr().add(8 * part).cast());
                let sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sum));
                let bias = _mm256_loadu_ps(biases.as_ptr().add(8 * part));
                // One rounding, in the order of the numbers: what is not above the limit stays so.
                let value = _mm256_fmadd_ps(sum, _mm256_set1_ps(step), bias);
                let below = _mm256_cmp_ps::<_CMP_NGT_UQ>(value, _mm256_set1_ps(limit));
                passing |= u64::from(_mm256_movemask_ps(below) as u8) << (8 * part);
            }
        }
        passing
    }

    #[inline(always)]
    fn range_of(self, table: &[f32]) -> (f32, f32, bool) {
        let (mut low, mut high) = ([0.0f32; 8], [0.0f32; 8]);
        let finite;
        // SAFETY: `self` exists, so the machine has AVX2; 8 numbers of a chunk are read, and as many written.
        unsafe {
            let infinite = _mm256_set1_ps(f32::INFINITY);
            let (mut least, mut most) = (infinite, _mm256_set1_ps(f32::NEG_INFINITY));
            let mut all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
            for some in table.as_chunks::<8>().0 {
                let x = _mm256_loadu_ps(some.as_ptr());
                let size = _mm256_andnot_ps(_mm256_set1_ps(-0.0), x);
                all = _mm256_and_ps(all, _mm256_cmp_ps::<_CMP_LT_OQ>(size, infinite));
                (least, most) = (_mm256_min_ps(least, x), _mm256_max_ps(most, x));
            }
            finite = _mm256_movemask_ps(all) == 255;
            // Of two lanes, then of four: one of each half of the register is left to be compared.
            let other = |x| _mm256_permute_ps::<0b01_00_11_10>(x);
            (least, most) = (_mm256_min_ps(least, other(least)), _mm256_max_ps(most, other(most)));
            let other = |x| _mm256_permute_ps::<0b10_11_00_01>(x);
            (least, most) = (_mm256_min_ps(least, other(least)), _mm256_max_ps(most, other(most)));
            _mm256_storeu_ps(low.as_mut_ptr(), least);
            _mm256_storeu_ps(high.as_mut_ptr(), most);
        }
        let least = if low[4] < low[0] { low[4] } else { low[0] };
        (least, if high[4] > high[0] { high[4] } else { high[0] }, finite)
    }

    #[inline(always)]
    fn steps_of(self, table: &[f32; 16], low: f32, inverse: f32) -> [u8; 16] {
        let mut bytes = [0; 16];
        // SAFETY: `self` exists, so the machine has AVX2; 16 numbers are read and as many bytes written.
        unsafe {
            let steps = |from: *const f32| {
                let x = _mm256_sub_ps(_mm256_loadu_ps(from), _mm256_set1_ps(low));
                _mm256_cvttps_epi32(_mm256_mul_ps(x, _mm256_set1_ps(inverse)))
            };
            let words = _mm256_packs_epi32(steps(table.as_ptr()), steps(table.as_ptr().add(8)));
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(words);
            let packed =
                _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), packed);
        }
        bytes
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
        assert!(tables == if steps.words == 16 { 2 * steps.bytes } else { steps.bytes.next_multiple_of(2) });
        // SAFETY: `self` exists, so the machine has these features; 64 rows of each of the code's bytes, and the tables of each pair, are read, as
        // many as asserted, and 32 sums are written twice. Loads with a full mask are plain ones, without the checks and copies of debug builds.
        unsafe {
            // Whole words of two rows' bytes, and the odd rows' alone.
            let (mut both, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            let (mut own, mut table) = (codes.as_ptr(), steps.entries.as_ptr());
            if steps.words == 16 {
                for _ in 0..steps.bytes {
                    let code = _mm512_maskz_loadu_epi8(u64::MAX, own.cast());
                    let one = _mm512_maskz_loadu_epi8(u64::MAX, table.cast());
                    let other = _mm512_maskz_loadu_epi8(u64::MAX, table.add(BLOCK).cast());
                    // Of an index six bits count, of which the table, there four times, leaves four.
                    let a = _mm512_permutexvar_epi8(code, one);
                    let b = _mm512_permutexvar_epi8(_mm512_srli_epi16::<4>(code), other);
                    let sum = _mm512_add_epi8(a, b);
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
            if some == 0 {
                continue;
            }
            // SAFETY: as above; 16 of 64 sums and biases are read four times at most. Up to 16 keys are written after the vector's last, for 64 of which there is room.
            unsafe {
                let sum = _mm256_lddqu_si256(sums.as_ptr().add(16 * part).cast());
                let sum = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sum));
                let bias = _mm512_maskz_loadu_ps(u16::MAX, biases.as_ptr().add(16 * part));
                let value =
                    _mm512_add_ps(_mm512_fmadd_ps(sum, _mm512_set1_ps(step), bias), _mm512_set1_ps(shift));
                let size = _mm512_abs_ps(value);
                let finite = _mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(some, size, _mm512_set1_ps(f32::INFINITY));
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
                let numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32((number + 16 * part as u32) as i32));
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
            let mut steps = Steps::new(m, words);
            steps.set(Plain, &table);
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
                let own = lookups.passing(&sums, &biases, steps.step, limit);
                assert_eq!(own | passing, own, "AVX2 drops what may be near");
                let mut same = Steps::new(m, words);
                for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut table = table.clone();
                    table[m * words - 3] = wrong;
                    same.set(lookups, &table);
                    assert!(same.width.is_infinite() && same.entries.iter().all(|&entry| entry == 0));
                }
                same.set(lookups, &table);
                assert!(same.entries == steps.entries && same.step == steps.step);
                assert!(same.least == steps.least && same.width == steps.width);
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
