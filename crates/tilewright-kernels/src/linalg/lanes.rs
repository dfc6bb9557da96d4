//! Many small matrices side by side: the same element of each in one vector, so that no operation of a factorization is too short for the
//! machine's vectors, whatever the size of the matrices.
//!
//! A [`Work`] runs on as many matrices at once as a vector has lanes. Everything that it calls is inlined into code for the vector unit
//! found at run time, and written as if for one matrix of [`Lanes`].

use std::ops::{Add, Div, Mul, Sub};

use faer::{MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::host::Real;

/// A number that vectors have lanes of.
pub(super) trait Lane: Copy {
    type Vector<S: Simd>: Copy;
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn sub<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn div<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn abs<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn root<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// `c - a b`, rounded once.
    fn minus_product<S: Simd>(
        simd: S,
        c: Self::Vector<S>,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `then` in the lanes where `a < b`, `otherwise` in the others.
    fn where_less<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        then: Self::Vector<S>,
        otherwise: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `then` in the lanes where `a == b`, `otherwise` in the others.
    fn where_equal<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        then: Self::Vector<S>,
        otherwise: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// A slice as vectors, and what is left over.
    fn vectors<S: Simd>(simd: S, x: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// The same, to change.
    fn vectors_mut<S: Simd>(simd: S, x: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
    /// Makes the lanes of a tile of as many vectors as each has lanes into its vectors.
    fn transpose<S: Simd>(simd: S, tile: &mut [Self::Vector<S>]);
    fn lanes<S: Simd>(vector: &Self::Vector<S>) -> &[Self];
    fn lanes_mut<S: Simd>(vector: &mut Self::Vector<S>) -> &mut [Self];
}

// On words, where pulp's own functions of floats are not always inlined.
macro_rules! lane {
    ($real:ident, $vector:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $and:ident, $splat_bits:ident, $sqrt:ident, $fused:ident,
        $less:ident, $equal:ident, $select:ident, $as_simd:ident, $as_mut_simd:ident, $by_shuffles:path) => {
        impl Lane for $real {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn sub<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn mul<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn div<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }
            #[inline(always)]
            fn abs<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                bytemuck::cast(
                    simd.$and(bytemuck::cast(a), simd.$splat_bits(!(1 << (size_of::<Self>() * 8 - 1)))),
                )
            }
            #[inline(always)]
            fn root<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                simd.$sqrt(a)
            }
            #[inline(always)]
            fn minus_product<S: Simd>(simd: S, c: S::$vector, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$fused(a, b, c)
            }
            #[inline(always)]
            fn where_less<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                then: S::$vector,
                otherwise: S::$vector,
            ) -> S::$vector {
                bytemuck::cast(simd.$select(
                    simd.$less(a, b),
                    bytemuck::cast(then),
                    bytemuck::cast(otherwise),
                ))
            }
            #[inline(always)]
            fn where_equal<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                then: S::$vector,
                otherwise: S::$vector,
            ) -> S::$vector {
                bytemuck::cast(simd.$select(
                    simd.$equal(a, b),
                    bytemuck::cast(then),
                    bytemuck::cast(otherwise),
                ))
            }
            #[inline(always)]
            fn vectors<S: Simd>(_: S, x: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$as_simd(x)
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(_: S, x: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$as_mut_simd(x)
            }
            #[inline(always)]
            fn transpose<S: Simd>(simd: S, tile: &mut [S::$vector]) {
                if $by_shuffles(&simd, tile) {
                    return;
                }
                let width = tile.len();
                let elements: &mut [Self] = bytemuck::cast_slice_mut(tile);
                for i in 0..width {
                    (0..i).for_each(|j| elements.swap(i * width + j, j * width + i));
                }
            }
            #[inline(always)]
            fn lanes<S: Simd>(vector: &S::$vector) -> &[Self] {
                bytemuck::cast_slice(std::slice::from_ref(vector))
            }
            #[inline(always)]
            fn lanes_mut<S: Simd>(vector: &mut S::$vector) -> &mut [Self] {
                bytemuck::cast_slice_mut(std::slice::from_mut(vector))
            }
        }
    };
}

#[rustfmt::skip]
lane!(f32, f32s, splat_f32s, add_f32s, sub_f32s, mul_f32s, div_f32s, and_u32s, splat_u32s, sqrt_f32s, negate_mul_add_f32s, less_than_f32s, equal_f32s,
    select_u32s, as_simd_f32s, as_mut_simd_f32s, shuffles::transpose_f32);
#[rustfmt::skip]
lane!(f64, f64s, splat_f64s, add_f64s, sub_f64s, mul_f64s, div_f64s, and_u64s, splat_u64s, sqrt_f64s, negate_mul_add_f64s, less_than_f64s, equal_f64s,
    select_u64s, as_simd_f64s, as_mut_simd_f64s, shuffles::transpose_f64);

/// One number of each of several matrices.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd, T: Lane> {
    simd: S,
    vector: T::Vector<S>,
}

macro_rules! operator {
    ($trait:ident, $name:ident) => {
        impl<S: Simd, T: Lane> $trait for Lanes<S, T> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Lanes { simd: self.simd, vector: T::$name(self.simd, self.vector, other.vector) }
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl<S: Simd, T: Lane> Lanes<S, T> {
    #[inline(always)]
    pub(super) fn splat(simd: S, x: T) -> Self {
        Lanes { simd, vector: T::splat(simd, x) }
    }

    #[inline(always)]
    pub(super) fn new(simd: S, vector: T::Vector<S>) -> Self {
        Lanes { simd, vector }
    }

    /// `self - a b`, rounded once.
    #[inline(always)]
    pub(super) fn minus_product(self, a: Self, b: Self) -> Self {
        Lanes { simd: self.simd, vector: T::minus_product(self.simd, self.vector, a.vector, b.vector) }
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Self {
        Lanes { simd: self.simd, vector: T::abs(self.simd, self.vector) }
    }

    #[inline(always)]
    pub(super) fn root(self) -> Self {
        Lanes { simd: self.simd, vector: T::root(self.simd, self.vector) }
    }

    /// `then` in the lanes where this is less than `other`, `otherwise` in the others; NaN is not less.
    #[inline(always)]
    pub(super) fn where_less(self, other: Self, then: Self, otherwise: Self) -> Self {
        let vector = T::where_less(self.simd, self.vector, other.vector, then.vector, otherwise.vector);
        Lanes { simd: self.simd, vector }
    }

    /// `then` in the lanes where this is equal to `other`, `otherwise` in the others.
    #[inline(always)]
    pub(super) fn where_equal(self, other: Self, then: Self, otherwise: Self) -> Self {
        let vector = T::where_equal(self.simd, self.vector, other.vector, then.vector, otherwise.vector);
        Lanes { simd: self.simd, vector }
    }

    /// The numbers, one of each matrix.
    #[inline(always)]
    pub(super) fn each(&self) -> &[T] {
        T::lanes::<S>(&self.vector)
    }

    /// The numbers, to change.
    #[inline(always)]
    pub(super) fn each_mut(&mut self) -> &mut [T] {
        T::lanes_mut::<S>(&mut self.vector)
    }
}

/// Something to do with several matrices at once. `I` is what is known of one of them: where it is read and written.
pub(super) trait Work<I>: Sync {
    /// Does it with at least one matrix, and at most one a lane. Implementations are `#[inline(always)]`, as is all that they call.
    fn run<S: Simd>(&self, simd: S, items: Vec<I>);
}

struct Dispatch<'a, W, I>(&'a W, Vec<I>);

impl<I, W: Work<I>> WithSimd for Dispatch<'_, W, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(simd, self.1);
    }
}

/// Lanes of f32 in the vector unit found.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

fn width<T>() -> usize {
    (Arch::new().dispatch(Width) * size_of::<f32>() / size_of::<T>()).max(1)
}

/// Beyond this size the matrices side by side outgrow the cache, and each alone is large enough for vectors of its own.
const LARGEST: usize = 64;

/// Whether matrices of size `n` are better computed side by side.
pub(super) fn fit<T: Real>(items: usize, n: usize) -> bool {
    (1..=LARGEST).contains(&n) && 2 * items > width::<T>()
}

/// Runs `work` on all items, on all threads.
pub(super) fn for_each<T: Real, I: Send>(work: &impl Work<I>, items: Vec<I>) {
    let (width, mut runs, mut rest) = (width::<T>(), Vec::new(), items.into_iter());
    loop {
        let run: Vec<_> = rest.by_ref().take(width).collect();
        if run.is_empty() {
            break;
        }
        runs.push(run);
    }
    runs.into_par_iter().for_each(|run| Arch::new().dispatch(Dispatch(work, run)));
}

/// Matrices side by side, row-major.
#[inline(always)]
pub(super) fn load<S: Simd, T: Real>(simd: S, matrices: &[MatRef<'_, T>]) -> Vec<Lanes<S, T>> {
    let (m, n) = matrices[0].shape();
    let mut lanes = vec![Lanes::splat(simd, T::ZERO); m * n];
    load_into(simd, matrices, &mut lanes, n, 0);
    lanes
}

/// The largest number of lanes: f32 in 512 bits.
pub(super) const WIDEST: usize = 16;

/// Matrices side by side, from column `first` on of `lanes`, which has `width` columns. Lanes without a matrix of their own repeat the last
/// one.
#[inline(always)]
pub(super) fn load_into<S: Simd, T: Real>(
    simd: S,
    matrices: &[MatRef<'_, T>],
    lanes: &mut [Lanes<S, T>],
    width: usize,
    first: usize,
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let count = zero.each().len();
    // The axis that lies along the memory is read in tiles of as many elements as there are matrices.
    let by_columns = matrices[0].row_stride() == 1;
    let of = |lane: usize| {
        let matrix = matrices[lane.min(matrices.len() - 1)];
        if by_columns { matrix.transpose() } else { matrix }
    };
    let (m, n) = of(0).shape();
    let place = |i: usize, j: usize| first + if by_columns { j * width + i } else { i * width + j };
    for i in 0..m {
        let mut j = 0;
        let mut tile = [zero.vector; WIDEST];
        while j + count <= n && of(0).row(i).try_as_row_major().is_some() {
            for (lane, vector) in tile[..count].iter_mut().enumerate() {
                let row = of(lane).row(i).subcols(j, count);
                let row = row.try_as_row_major().expect("matrices lie in the same way").as_slice();
                *vector = T::vectors(simd, row).0[0];
            }
            T::transpose(simd, &mut tile[..count]);
            for (c, &vector) in tile[..count].iter().enumerate() {
                lanes[place(i, j + c)].vector = vector;
            }
            j += count;
        }
        for lane in 0..count {
            let row = of(lane).row(i);
            for j in j..n {
                lanes[place(i, j)].each_mut()[lane] = row[j];
            }
        }
    }
}

/// Lanes of row-major `lanes` into a matrix each.
#[inline(always)]
pub(super) fn store<'a, S: Simd, T: Real>(
    simd: S,
    lanes: &[Lanes<S, T>],
    matrices: impl Iterator<Item = MatMut<'a, T>>,
) {
    let mut matrices: Vec<_> = matrices.collect();
    let n = matrices[0].ncols();
    store_from(simd, lanes, n, 0, &mut matrices);
}

/// Lanes of what lies from column `first` on in `lanes`, which has `width` columns, into a matrix each.
#[inline(always)]
pub(super) fn store_from<S: Simd, T: Real>(
    simd: S,
    lanes: &[Lanes<S, T>],
    width: usize,
    first: usize,
    matrices: &mut [MatMut<'_, T>],
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let count = zero.each().len();
    let by_columns = matrices[0].row_stride() == 1;
    let mut views: Vec<_> = matrices.iter_mut().map(|matrix| matrix.as_mut()).collect();
    if by_columns {
        views = views.into_iter().map(MatMut::transpose_mut).collect();
    }
    let (m, n) = views[0].shape();
    let place = |i: usize, j: usize| first + if by_columns { j * width + i } else { i * width + j };
    for i in 0..m {
        let mut j = 0;
        let mut tile = [zero.vector; WIDEST];
        while j + count <= n && views[0].as_ref().row(i).try_as_row_major().is_some() {
            for (c, vector) in tile[..count].iter_mut().enumerate() {
                *vector = lanes[place(i, j + c)].vector;
            }
            T::transpose(simd, &mut tile[..count]);
            for (view, &vector) in views.iter_mut().zip(&tile[..count]) {
                let row = view.as_mut().row_mut(i).subcols_mut(j, count);
                let row = row.try_as_row_major_mut().expect("matrices lie in the same way");
                T::vectors_mut(simd, row.as_slice_mut()).0[0] = vector;
            }
            j += count;
        }
        for (lane, view) in views.iter_mut().enumerate() {
            for j in j..n {
                view[(i, j)] = lanes[place(i, j)].each()[lane];
            }
        }
    }
}

/// Tiles by shuffles of registers. Without closures: one that was not inlined would be without the vector unit, and call its every instruction.
#[cfg(target_arch = "x86_64")]
mod shuffles {
    use std::any::Any;
    use std::arch::x86_64::{__m256, __m256d};

    use bytemuck::cast;
    use pulp::x86::V3;
    use pulp::{Simd, f32x8, f64x4};

    /// Whether it was transposed: where a vector is of 256 bits.
    #[inline(always)]
    pub(super) fn transpose_f32<S: Simd>(simd: &S, tile: &mut [S::f32s]) -> bool {
        let Some(&v3) = (simd as &dyn Any).downcast_ref::<V3>() else { return false };
        let Ok([a, b, c, d, e, f, g, h]) =
            <&mut [f32x8; 8]>::try_from(bytemuck::cast_slice_mut::<S::f32s, f32x8>(tile))
        else {
            return false;
        };
        let upper = fours(v3, pairs(v3, cast(*a), cast(*b)), pairs(v3, cast(*c), cast(*d)));
        let lower = fours(v3, pairs(v3, cast(*e), cast(*f)), pairs(v3, cast(*g), cast(*h)));
        let avx = v3.avx;
        *a = cast(avx._mm256_permute2f128_ps::<0x20>(upper[0], lower[0]));
        *b = cast(avx._mm256_permute2f128_ps::<0x20>(upper[1], lower[1]));
        *c = cast(avx._mm256_permute2f128_ps::<0x20>(upper[2], lower[2]));
        *d = cast(avx._mm256_permute2f128_ps::<0x20>(upper[3], lower[3]));
        *e = cast(avx._mm256_permute2f128_ps::<0x31>(upper[0], lower[0]));
        *f = cast(avx._mm256_permute2f128_ps::<0x31>(upper[1], lower[1]));
        *g = cast(avx._mm256_permute2f128_ps::<0x31>(upper[2], lower[2]));
        *h = cast(avx._mm256_permute2f128_ps::<0x31>(upper[3], lower[3]));
        true
    }

    #[inline(always)]
    fn pairs(v3: V3, a: __m256, b: __m256) -> [__m256; 2] {
        [v3.avx._mm256_unpacklo_ps(a, b), v3.avx._mm256_unpackhi_ps(a, b)]
    }

    #[inline(always)]
    fn fours(v3: V3, [a, b]: [__m256; 2], [c, d]: [__m256; 2]) -> [__m256; 4] {
        [
            v3.avx._mm256_shuffle_ps::<0x44>(a, c),
            v3.avx._mm256_shuffle_ps::<0xee>(a, c),
            v3.avx._mm256_shuffle_ps::<0x44>(b, d),
            v3.avx._mm256_shuffle_ps::<0xee>(b, d),
        ]
    }

    /// Whether it was transposed: where a vector is of 256 bits.
    #[inline(always)]
    pub(super) fn transpose_f64<S: Simd>(simd: &S, tile: &mut [S::f64s]) -> bool {
        let Some(&v3) = (simd as &dyn Any).downcast_ref::<V3>() else { return false };
        let Ok([a, b, c, d]) = <&mut [f64x4; 4]>::try_from(bytemuck::cast_slice_mut::<S::f64s, f64x4>(tile))
        else {
            return false;
        };
        let (upper, lower) = (twos(v3, cast(*a), cast(*b)), twos(v3, cast(*c), cast(*d)));
        let avx = v3.avx;
        *a = cast(avx._mm256_permute2f128_pd::<0x20>(upper[0], lower[0]));
        *b = cast(avx._mm256_permute2f128_pd::<0x20>(upper[1], lower[1]));
        *c = cast(avx._mm256_permute2f128_pd::<0x31>(upper[0], lower[0]));
        *d = cast(avx._mm256_permute2f128_pd::<0x31>(upper[1], lower[1]));
        true
    }

    #[inline(always)]
    fn twos(v3: V3, a: __m256d, b: __m256d) -> [__m256d; 2] {
        [v3.avx._mm256_unpacklo_pd(a, b), v3.avx._mm256_unpackhi_pd(a, b)]
    }
}

/// No other vectors have any here.
#[cfg(not(target_arch = "x86_64"))]
mod shuffles {
    use pulp::Simd;

    pub(super) fn transpose_f32<S: Simd>(_: &S, _: &mut [S::f32s]) -> bool {
        false
    }

    pub(super) fn transpose_f64<S: Simd>(_: &S, _: &mut [S::f64s]) -> bool {
        false
    }
}
