//! The vectors that the family's host loops are written over: `pulp`'s, and AVX-512, which `pulp` leaves out in this workspace.

use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};

use crate::gemm::number::Sum;
use crate::reduce::exp::Real;

/// A vector of floats. Its methods are inlined into a function that was compiled for the instructions they need.
pub(super) trait Lanes<S>: Copy {
    /// A vector.
    type V: Copy;
    /// Numbers of one vector.
    const WIDTH: usize;
    /// `x` in every lane.
    fn splat(self, x: S) -> Self::V;
    /// [`Self::WIDTH`] numbers from an address on.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load(self, from: *const S) -> Self::V;
    /// As many numbers to an address.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn store(self, to: *mut S, v: Self::V);
    /// `a b + c`, rounded once where the machine can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Elements on a side of the squares that [`Self::transpose`] takes.
    const SIDE: usize = 4;
    /// A square of the matrix at `from`, whose rows are `row` apart, transposed to `to`, where they are `column` apart.
    ///
    /// # Safety
    /// All its elements can be read there, and written here; the two places do not overlap.
    #[inline(always)]
    unsafe fn transpose(self, from: *const S, row: usize, to: *mut S, column: usize)
    where
        S: Copy,
    {
        for r in 0..Self::SIDE {
            for c in 0..Self::SIDE {
                // SAFETY: as the caller says.
                unsafe { *to.add(c * column + r) = *from.add(r * row + c) };
            }
        }
    }
}

/// Work that is written over [`Lanes`], or in loops that the compiler turns into such.
pub(super) trait Task<S> {
    /// What it gives.
    type Output;
    /// Runs it; `ROWS` is the number of rows of a tile that the machine's registers hold beside two vectors a row.
    fn run<L: Lanes<S>, const ROWS: usize>(self, lanes: L) -> Self::Output;
}

/// The type of gates, states and sums: f32 or f64.
pub(super) trait Scalar: Real + Sum {
    /// As many as a register of these instructions holds.
    type Vector<V: Simd>: Pod;
    /// The same number in every place.
    fn splat<V: Simd>(simd: V, x: Self) -> Self::Vector<V>;
    /// `a b + c`, rounded once where that is one instruction.
    fn fused<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>, c: Self::Vector<V>)
    -> Self::Vector<V>;
    /// Runs a task with the machine's widest vectors.
    fn run<T: Task<Self>>(machine: Machine, task: T) -> T::Output;
}

macro_rules! scalars {
    ($($float:ty, $vector:ident, $splat:ident, $fused:ident);*) => {$(
        impl Scalar for $float {
            type Vector<V: Simd> = V::$vector;
            #[inline(always)]
            fn splat<V: Simd>(simd: V, x: $float) -> V::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn fused<V: Simd>(simd: V, a: V::$vector, b: V::$vector, c: V::$vector) -> V::$vector {
                simd.$fused(a, b, c)
            }
            #[inline(always)]
            fn run<T: Task<$float>>(machine: Machine, task: T) -> T::Output {
                match machine.0 {
                    #[cfg(target_arch = "x86_64")]
                    Kind::Wide(lanes) => avx512::run(task, lanes),
                    Kind::Pulp(arch) => arch.dispatch(Through(task, PhantomData)),
                }
            }
        }
    )*};
}

scalars! {
    f32, f32s, splat_f32s, mul_add_e_f32s;
    f64, f64s, splat_f64s, mul_add_e_f64s
}

/// Which instructions this machine has: asked once, as asking takes as long as a short row.
#[derive(Clone, Copy)]
pub(super) struct Machine(Kind);

#[derive(Clone, Copy)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Wide(crate::machine::Avx512),
    Pulp(Arch),
}

impl Machine {
    pub(super) fn here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = crate::machine::Avx512::found() {
            return Machine(Kind::Wide(lanes));
        }
        Machine(Kind::Pulp(Arch::new()))
    }

    /// Without AVX-512, whether it is there or not.
    #[cfg(test)]
    pub(super) fn narrow() -> Self {
        Machine(Kind::Pulp(Arch::new()))
    }
}

struct Through<S, T>(T, PhantomData<S>);

impl<S: Scalar, T: Task<S>> WithSimd for Through<S, T> {
    type Output = T::Output;

    #[inline(always)]
    fn with_simd<V: Simd>(self, simd: V) -> T::Output {
        // 6 x 2 sums leave 4 of AVX2's 16 registers for operands.
        self.0.run::<_, 6>(Portable(simd))
    }
}

#[derive(Clone, Copy)]
struct Portable<V>(V);

impl<S: Scalar, V: Simd> Lanes<S> for Portable<V> {
    type V = S::Vector<V>;
    const WIDTH: usize = size_of::<S::Vector<V>>() / size_of::<S>();

    #[inline(always)]
    fn splat(self, x: S) -> Self::V {
        S::splat(self.0, x)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const S) -> Self::V {
        // SAFETY: as the caller says; any bits are a vector of floats.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut S, v: Self::V) {
        // SAFETY: as the caller says.
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        S::fused(self.0, a, b, c)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::{Lanes, Task};
    use crate::machine::Avx512;

    #[inline(always)]
    pub(super) fn run<S, T: Task<S>>(task: T, lanes: Avx512) -> T::Output
    where
        Avx512: Lanes<S>,
    {
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
        fn inside<S, T: Task<S>>(task: T, lanes: Avx512) -> T::Output
        where
            Avx512: Lanes<S>,
        {
            // 8 x 2 sums of 32 registers: 8 divides the chunks.
            task.run::<_, 8>(lanes)
        }
        // SAFETY: `lanes` exists, so the machine has these features.
        unsafe { inside(task, lanes) }
    }

    impl Lanes<f32> for Avx512 {
        type V = __m512;
        const WIDTH: usize = 16;
        const SIDE: usize = 16;

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: `self` exists, so the machine has AVX-512; so below.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m512 {
            // SAFETY: as in `splat`, and as the caller says; the load needs no alignment. With a full mask it is the plain load, without the
            // checks that debug builds put before that one; so the store.
            unsafe { _mm512_maskz_loadu_ps(u16::MAX, from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, v: __m512) {
            // SAFETY: as in `load`.
            unsafe { _mm512_mask_storeu_ps(to, u16::MAX, v) }
        }
        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: as in `splat`.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn transpose(self, from: *const f32, row: usize, to: *mut f32, column: usize) {
            // SAFETY: as in `splat`, and as the caller says of the 16 rows of 16 elements at either end.
            unsafe {
                let zero = _mm512_setzero_ps();
                let (mut x, mut y) = ([zero; 16], [zero; 16]);
                for (r, x) in x.iter_mut().enumerate() {
                    *x = self.load(from.add(r * row));
                }
                // Pairs of rows by elements, then by pairs: four rows' elements of one column in each quarter of a register.
                for r in 0..8 {
                    y[2 * r] = _mm512_unpacklo_ps(x[2 * r], x[2 * r + 1]);
                    y[2 * r + 1] = _mm512_unpackhi_ps(x[2 * r], x[2 * r + 1]);
                }
                for r in 0..4 {
                    let (a, b) = (_mm512_castps_pd(y[4 * r]), _mm512_castps_pd(y[4 * r + 1]));
                    let (c, d) = (_mm512_castps_pd(y[4 * r + 2]), _mm512_castps_pd(y[4 * r + 3]));
                    x[4 * r] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                    x[4 * r + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                    x[4 * r + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                    x[4 * r + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
                }
                // Quarters of the four registers of a column, and of its neighbours 4, 8 and 12 further on.
                for c in 0..4 {
                    let low = _mm512_shuffle_f32x4::<0x88>(x[c], x[4 + c]);
                    let high = _mm512_shuffle_f32x4::<0x88>(x[8 + c], x[12 + c]);
                    self.store(to.add(c * column), _mm512_shuffle_f32x4::<0x88>(low, high));
                    self.store(to.add((8 + c) * column), _mm512_shuffle_f32x4::<0xdd>(low, high));
                    let low = _mm512_shuffle_f32x4::<0xdd>(x[c], x[4 + c]);
                    let high = _mm512_shuffle_f32x4::<0xdd>(x[8 + c], x[12 + c]);
                    self.store(to.add((4 + c) * column), _mm512_shuffle_f32x4::<0x88>(low, high));
                    self.store(to.add((12 + c) * column), _mm512_shuffle_f32x4::<0xdd>(low, high));
                }
            }
        }
    }

    impl Lanes<f64> for Avx512 {
        type V = __m512d;
        const WIDTH: usize = 8;

        #[inline(always)]
        fn splat(self, x: f64) -> __m512d {
            // SAFETY: as for f32; so below.
            unsafe { _mm512_set1_pd(x) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f64) -> __m512d {
            // SAFETY: as for f32.
            unsafe { _mm512_maskz_loadu_pd(u8::MAX, from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f64, v: __m512d) {
            // SAFETY: as for f32.
            unsafe { _mm512_mask_storeu_pd(to, u8::MAX, v) }
        }
        #[inline(always)]
        fn mul_add(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
            // SAFETY: as for f32.
            unsafe { _mm512_fmadd_pd(a, b, c) }
        }
    }
}

/// `[rows, columns]` as `[columns, rows]`.
pub(super) fn transpose<S: Scalar>(machine: Machine, from: &[S], [rows, columns]: [usize; 2], to: &mut [S]) {
    assert!(from.len() >= rows * columns && to.len() >= rows * columns, "both hold the matrix");
    S::run(machine, Transpose { from, rows, columns, to });
}

struct Transpose<'a, S> {
    from: &'a [S],
    rows: usize,
    columns: usize,
    to: &'a mut [S],
}

impl<S: Scalar> Task<S> for Transpose<'_, S> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<S>, const ROWS: usize>(self, lanes: L) {
        let Transpose { from, rows, columns, to } = self;
        let whole = |extent: usize| extent / L::SIDE * L::SIDE;
        for row in (0..whole(rows)).step_by(L::SIDE) {
            for column in (0..whole(columns)).step_by(L::SIDE) {
                // SAFETY: the square lies within both matrices, whose sizes were checked, and they are borrowed apart.
                unsafe {
                    let from = from.as_ptr().add(row * columns + column);
                    lanes.transpose(from, columns, to.as_mut_ptr().add(column * rows + row), rows);
                }
            }
        }
        for row in 0..rows {
            let first = if row < whole(rows) { whole(columns) } else { 0 };
            for column in first..columns {
                to[column * rows + row] = from[row * columns + column];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_finds_its_place() {
        for machine in [Machine::here(), Machine::narrow()] {
            for [rows, columns] in [[1, 1], [16, 16], [17, 33], [48, 16], [5, 70], [0, 3]] {
                let from: Vec<f32> = (0..rows * columns).map(|at| at as f32).collect();
                let wide: Vec<f64> = (0..rows * columns).map(|at| at as f64).collect();
                let (mut to, mut to_wide) = (vec![-1.0; rows * columns], vec![-1.0; rows * columns]);
                transpose(machine, &from, [rows, columns], &mut to);
                transpose(machine, &wide, [rows, columns], &mut to_wide);
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let (at, there) = (row * columns + column, column * rows + row);
                    assert_eq!((to[there], to_wide[there]), (at as f32, at as f64), "{rows} {columns}");
                }
            }
        }
    }
}
