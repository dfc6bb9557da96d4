//! The vectors that the family's host loops are written over: `pulp`'s, and AVX-512, which `pulp` leaves out in this workspace.

use std::cmp::Ordering;

use pulp::{Arch, Simd, WithSimd};

/// Lanes of the widest vector.
pub(super) const WIDEST: usize = 16;

/// A vector of f32. Its methods are inlined into a function that was compiled for the instructions they need.
pub(super) trait Lanes: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers of one vector, at most [`WIDEST`].
    const WIDTH: usize;
    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// The first [`Self::WIDTH`] numbers.
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        let from = &from[..Self::WIDTH];
        // SAFETY: the slice has as many.
        unsafe { self.load_at(from.as_ptr()) }
    }
    /// [`Self::WIDTH`] numbers from an address on.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_at(self, from: *const f32) -> Self::V;
    /// [`Self::WIDTH`] bytes from an address on, as numbers.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_bytes(self, from: *const u8) -> Self::V;
    /// The low and the high four bits of [`Self::WIDTH`] bytes from an address on, as numbers.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_nibbles(self, from: *const u8) -> [Self::V; 2];
    /// Of [`Self::WIDTH`] times three bytes from an address on, the first, second, third and fourth six bits of each three, the lowest first, as numbers.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_sixes(self, from: *const u8) -> [Self::V; 4];
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The lanes as an array, zeros after them.
    fn array(self, v: Self::V) -> [f32; WIDEST];
    /// The sum of the lanes.
    fn sum(self, v: Self::V) -> f32;
    /// The sums of the lanes of four.
    #[inline(always)]
    fn sums(self, v: [Self::V; 4]) -> [f32; 4] {
        [self.sum(v[0]), self.sum(v[1]), self.sum(v[2]), self.sum(v[3])]
    }
    /// One bit for each lane where `v > limit` does not hold, NaN included; lane 0 is bit 0.
    fn not_above(self, v: Self::V, limit: Self::V) -> u32;
    /// Where `v < least`, `v` and `mark` take the places of `least` and `marked`.
    fn keep_less(self, v: Self::V, mark: Self::V, least: &mut Self::V, marked: &mut Self::V);
}

/// Work that is written over [`Lanes`].
pub(super) trait Task {
    /// What it gives.
    type Output;
    /// Runs it; `ROWS` is the number of rows of a tile that the machine's registers hold beside three vectors.
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Self::Output;
}

/// Runs a task with the widest vectors that this machine has.
pub(super) fn dispatch<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(lanes) = crate::machine::Avx512::found() {
        return avx512::run(task, lanes);
    }
    Arch::new().dispatch(Through(task))
}

struct Through<T>(T);

impl<T: Task> WithSimd for Through<T> {
    type Output = T::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> T::Output {
        // 4 x 3 sums, 3 vectors and a factor fill the 16 registers of AVX2; Arm has 32.
        if cfg!(target_arch = "aarch64") {
            self.0.run::<_, 8>(Portable(simd))
        } else {
            self.0.run::<_, 4>(Portable(simd))
        }
    }
}

#[derive(Clone, Copy)]
struct Portable<S>(S);

impl<S: Simd> Lanes for Portable<S> {
    type V = S::f32s;
    const WIDTH: usize = size_of::<S::f32s>() / 4;

    #[inline(always)]
    fn splat(self, x: f32) -> S::f32s {
        self.0.splat_f32s(x)
    }
    #[inline(always)]
    unsafe fn load_at(self, from: *const f32) -> S::f32s {
        // SAFETY: as the caller says; any bits are a vector of floats.
        unsafe { from.cast::<S::f32s>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> S::f32s {
        let mut wide = [0.0f32; WIDEST];
        for (lane, x) in wide[..Self::WIDTH].iter_mut().enumerate() {
            // SAFETY: as the caller says.
            *x = f32::from(unsafe { *from.wrapping_add(lane) });
        }
        self.load(&wide)
    }
    #[inline(always)]
    unsafe fn load_nibbles(self, from: *const u8) -> [S::f32s; 2] {
        let (mut low, mut high) = ([0.0f32; WIDEST], [0.0f32; WIDEST]);
        for (lane, (low, high)) in low.iter_mut().zip(&mut high).enumerate().take(Self::WIDTH) {
            // SAFETY: as the caller says.
            let byte = unsafe { *from.wrapping_add(lane) };
            (*low, *high) = (f32::from(byte & 15), f32::from(byte >> 4));
        }
        [self.load(&low), self.load(&high)]
    }
    #[inline(always)]
    unsafe fn load_sixes(self, from: *const u8) -> [S::f32s; 4] {
        let mut wide = [[0.0f32; WIDEST]; 4];
        for (number, wide) in wide.iter_mut().enumerate() {
            for (lane, wide) in wide.iter_mut().enumerate().take(Self::WIDTH) {
                // SAFETY: as the caller says.
                let byte = |at: usize| u32::from(unsafe { *from.wrapping_add(3 * lane + at) });
                let all = byte(0) | byte(1) << 8 | byte(2) << 16;
                *wide = (all >> (6 * number) & 63) as f32;
            }
        }
        [self.load(&wide[0]), self.load(&wide[1]), self.load(&wide[2]), self.load(&wide[3])]
    }
    #[inline(always)]
    fn sub(self, a: S::f32s, b: S::f32s) -> S::f32s {
        self.0.sub_f32s(a, b)
    }
    #[inline(always)]
    fn mul_add(self, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
        self.0.mul_add_f32s(a, b, c)
    }
    #[inline(always)]
    fn array(self, v: S::f32s) -> [f32; WIDEST] {
        let mut array = [0.0; WIDEST];
        array[..Self::WIDTH].copy_from_slice(bytemuck::cast_slice(bytemuck::bytes_of(&v)));
        array
    }
    #[inline(always)]
    fn sum(self, v: S::f32s) -> f32 {
        self.0.reduce_sum_f32s(v)
    }
    #[inline(always)]
    fn not_above(self, v: S::f32s, limit: S::f32s) -> u32 {
        let (v, limit) = (self.array(v), self.array(limit));
        let mut bits = 0;
        for lane in 0..Self::WIDTH {
            bits |= u32::from(v[lane].partial_cmp(&limit[lane]) != Some(Ordering::Greater)) << lane;
        }
        bits
    }
    #[inline(always)]
    fn keep_less(self, v: S::f32s, mark: S::f32s, least: &mut S::f32s, marked: &mut S::f32s) {
        let less = self.0.less_than_f32s(v, *least);
        *least = self.0.select_f32s(less, v, *least);
        *marked = self.0.select_f32s(less, mark, *marked);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::{Lanes, Task, WIDEST};
    use crate::machine::Avx512;

    pub(super) fn run<T: Task>(task: T, lanes: Avx512) -> T::Output {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
        fn inside<T: Task>(task: T, lanes: Avx512) -> T::Output {
            // 8 x 3 sums, 3 vectors and a factor of 32 registers.
            task.run::<_, 8>(lanes)
        }
        // SAFETY: `lanes` exists, so the machine has these features.
        unsafe { inside(task, lanes) }
    }

    /// Sixteen bytes.
    ///
    /// # Safety
    /// The machine has AVX-512, and they can be read.
    #[inline(always)]
    unsafe fn sixteen(from: *const u8) -> __m128i {
        // SAFETY: as the caller says. With a full mask it is the plain load, without the checks that debug builds put before that one.
        unsafe { _mm_maskz_loadu_epi32(0xf, from.cast()) }
    }

    impl Lanes for Avx512 {
        type V = __m512;
        const WIDTH: usize = 16;

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: `self` exists, so the machine has AVX-512; so below.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load_at(self, from: *const f32) -> __m512 {
            // SAFETY: as in `splat`, and as the caller says; the load needs no alignment. With a full mask it is the plain load, without the
            // checks that debug builds put before that one.
            unsafe { _mm512_maskz_loadu_ps(u16::MAX, from) }
        }
        #[inline(always)]
        unsafe fn load_bytes(self, from: *const u8) -> __m512 {
            // SAFETY: as in `load_at`.
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(sixteen(from))) }
        }
        #[inline(always)]
        unsafe fn load_nibbles(self, from: *const u8) -> [__m512; 2] {
            // SAFETY: as in `load_at`.
            unsafe {
                // A permutation looks at the lowest four bits alone: it masks and converts at once.
                let numbers =
                    _mm512_setr_ps(0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15.);
                let bytes = _mm512_cvtepu8_epi32(sixteen(from));
                let high = _mm512_srli_epi32::<4>(bytes);
                [_mm512_permutexvar_ps(bytes, numbers), _mm512_permutexvar_ps(high, numbers)]
            }
        }
        #[inline(always)]
        unsafe fn load_sixes(self, from: *const u8) -> [__m512; 4] {
            // SAFETY: as in `load_at`; the last load ends with the 48th byte.
            unsafe {
                let pair = |low: usize, high: usize| {
                    let low = _mm256_castsi128_si256(sixteen(from.wrapping_add(low)));
                    _mm256_inserti128_si256::<1>(low, sixteen(from.wrapping_add(high)))
                };
                // Three bytes to each lane, from the first byte of a load on, or from its fifth.
                let first = _mm256_setr_epi8(
                    0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, //
                    0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,
                );
                let second = _mm256_setr_epi8(
                    0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, //
                    4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1,
                );
                let low = _mm256_shuffle_epi8(pair(0, 12), first);
                let high = _mm256_shuffle_epi8(pair(24, 32), second);
                let all = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
                let six = _mm512_set1_epi32(63);
                [
                    _mm512_cvtepi32_ps(_mm512_and_si512(all, six)),
                    _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32::<6>(all), six)),
                    _mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32::<12>(all), six)),
                    _mm512_cvtepi32_ps(_mm512_srli_epi32::<18>(all)),
                ]
            }
        }
        #[inline(always)]
        fn sub(self, a: __m512, b: __m512) -> __m512 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        fn array(self, v: __m512) -> [f32; WIDEST] {
            let mut array = [0.0; WIDEST];
            // SAFETY: as in `splat`; the array has room for 16.
            unsafe { _mm512_storeu_ps(array.as_mut_ptr(), v) };
            array
        }
        #[inline(always)]
        fn sum(self, v: __m512) -> f32 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_reduce_add_ps(v) }
        }
        #[inline(always)]
        fn sums(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
            // SAFETY: as in `splat`; the array has room for four.
            unsafe {
                // Of each 128 bits two partial sums of both, then one of each of the four.
                let first = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let second = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                let low = _mm512_shuffle_ps::<0b01_00_01_00>(first, second);
                let all = _mm512_add_ps(low, _mm512_shuffle_ps::<0b11_10_11_10>(first, second));
                let half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all));
                let quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
                let mut sums = [0.0; 4];
                _mm_storeu_ps(sums.as_mut_ptr(), quarter);
                sums
            }
        }
        #[inline(always)]
        fn not_above(self, v: __m512, limit: __m512) -> u32 {
            // SAFETY: as in `splat`.
            unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_NGT_UQ>(v, limit)) }
        }
        #[inline(always)]
        fn keep_less(self, v: __m512, mark: __m512, least: &mut __m512, marked: &mut __m512) {
            // SAFETY: as in `splat`.
            unsafe {
                let less = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(v, *least);
                *least = _mm512_mask_mov_ps(*least, less, v);
                *marked = _mm512_mask_mov_ps(*marked, less, mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each way to load makes of the same bytes, and how wide its vectors are.
    struct Loads<'a>(&'a [u8]);

    impl Task for Loads<'_> {
        type Output = (usize, Vec<f32>, [Vec<f32>; 2], [Vec<f32>; 4], [f32; 4]);

        fn run<L: Lanes, const ROWS: usize>(self, lanes: L) -> Self::Output {
            assert!(self.0.len() == 3 * WIDEST);
            // SAFETY: there are three bytes for every lane of the widest vector.
            let (bytes, nibbles, sixes) = unsafe {
                let from = self.0.as_ptr();
                (lanes.load_bytes(from), lanes.load_nibbles(from), lanes.load_sixes(from))
            };
            let numbers = |v: L::V| lanes.array(v)[..L::WIDTH].to_vec();
            (L::WIDTH, numbers(bytes), nibbles.map(numbers), sixes.map(numbers), lanes.sums(sixes))
        }
    }

    #[test]
    fn codes_are_loaded_as_the_numbers_that_they_are() {
        let bytes: Vec<u8> = (0..3 * WIDEST).map(|i| (i * 89 + 7) as u8).collect();
        let bits = |at: usize, count: usize| -> f32 {
            (0..count).map(|i| f32::from(bytes[(at + i) / 8] >> ((at + i) % 8) & 1) * (1 << i) as f32).sum()
        };
        for (width, whole, nibbles, sixes, sums) in
            [dispatch(Loads(&bytes)), pulp::Scalar128b.vectorize(Through(Loads(&bytes)))]
        {
            // Whole numbers: no order of sums rounds.
            sums.iter().zip(&sixes).for_each(|(&sum, own)| assert_eq!(sum, own.iter().sum::<f32>()));
            for lane in 0..width {
                assert_eq!(whole[lane], bits(8 * lane, 8));
                nibbles
                    .iter()
                    .enumerate()
                    .for_each(|(i, own)| assert_eq!(own[lane], bits(8 * lane + 4 * i, 4)));
                sixes
                    .iter()
                    .enumerate()
                    .for_each(|(i, own)| assert_eq!(own[lane], bits(24 * lane + 6 * i, 6)));
            }
        }
    }
}
