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
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The lanes as an array, zeros after them.
    fn array(self, v: Self::V) -> [f32; WIDEST];
    /// The sum of the lanes.
    fn sum(self, v: Self::V) -> f32;
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
            // SAFETY: as in `splat`, and as the caller says; the load needs no alignment.
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(from.cast::<__m128i>().read_unaligned())) }
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
