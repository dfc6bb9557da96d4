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
pub(super) use super::room::Room;
use crate::parallel::Each;

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
    /// All bits where `a == b`, none elsewhere.
    fn equal<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// The bits in which a and b differ, of those in `mask`.
    fn difference<S: Simd>(
        simd: S,
        mask: Self::Vector<S>,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// a with these bits turned.
    fn turned<S: Simd>(simd: S, a: Self::Vector<S>, bits: Self::Vector<S>) -> Self::Vector<S>;
    /// A slice as vectors, and what is left over.
    fn vectors<S: Simd>(simd: S, x: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// Makes the lanes of a tile of as many vectors as each has lanes into its vectors.
    fn transpose<S: Simd>(simd: S, tile: &mut [Self::Vector<S>]);
    fn lanes<S: Simd>(vector: &Self::Vector<S>) -> &[Self];
    fn lanes_mut<S: Simd>(vector: &mut Self::Vector<S>) -> &mut [Self];
}

// On words, where pulp's own functions of floats are not always inlined.
macro_rules! lane {
    ($real:ident, $vector:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $and:ident, $xor:ident, $splat_bits:ident, $sqrt:ident, $fused:ident,
        $less:ident, $equal:ident, $select:ident, $as_simd:ident, $by_shuffles:path) => {
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
            fn equal<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                bytemuck::cast(simd.$select(simd.$equal(a, b), simd.$splat_bits(!0), simd.$splat_bits(0)))
            }
            #[inline(always)]
            fn difference<S: Simd>(simd: S, mask: S::$vector, a: S::$vector, b: S::$vector) -> S::$vector {
                bytemuck::cast(
                    simd.$and(bytemuck::cast(mask), simd.$xor(bytemuck::cast(a), bytemuck::cast(b))),
                )
            }
            #[inline(always)]
            fn turned<S: Simd>(simd: S, a: S::$vector, bits: S::$vector) -> S::$vector {
                bytemuck::cast(simd.$xor(bytemuck::cast(a), bytemuck::cast(bits)))
            }
            #[inline(always)]
            fn vectors<S: Simd>(_: S, x: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$as_simd(x)
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
lane!(f32, f32s, splat_f32s, add_f32s, sub_f32s, mul_f32s, div_f32s, and_u32s, xor_u32s, splat_u32s, sqrt_f32s, negate_mul_add_f32s, less_than_f32s, equal_f32s,
    select_u32s, as_simd_f32s, shuffles::transpose_f32);
#[rustfmt::skip]
lane!(f64, f64s, splat_f64s, add_f64s, sub_f64s, mul_f64s, div_f64s, and_u64s, xor_u64s, splat_u64s, sqrt_f64s, negate_mul_add_f64s, less_than_f64s, equal_f64s,
    select_u64s, as_simd_f64s, shuffles::transpose_f64);

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

    /// Where this is equal to `other`, for [`Lanes::exchange`].
    #[inline(always)]
    pub(super) fn equal(self, other: Self) -> Self {
        Lanes { simd: self.simd, vector: T::equal(self.simd, self.vector, other.vector) }
    }

    /// Exchanges the numbers in the lanes of a mask. By bits: chosen by comparison, what is written where it was read becomes a masked store,
    /// which some processors take many cycles for.
    #[inline(always)]
    pub(super) fn exchange(mask: Self, a: &mut Self, b: &mut Self) {
        let bits = T::difference(mask.simd, mask.vector, a.vector, b.vector);
        a.vector = T::turned(mask.simd, a.vector, bits);
        b.vector = T::turned(mask.simd, b.vector, bits);
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
    runs.into_par_iter().each(&|run| Arch::new().dispatch(Dispatch(work, run)));
}

/// Matrices side by side, row-major. Column-major are the transposed ones.
#[inline(always)]
pub(super) fn load<S: Simd, T: Real>(simd: S, matrices: &[MatRef<'_, T>]) -> Room<S, T> {
    let (m, n) = matrices[0].shape();
    let mut lanes = Room::zeros(simd, m * n);
    load_into(simd, matrices, &mut lanes, n);
    lanes
}

/// The largest number of lanes: f32 in 512 bits.
pub(super) const WIDEST: usize = 16;

/// How matrices and their lanes, rows of `width`, are gone through together: along the axis that lies along the matrices' memory, if one does.
struct Walk {
    lines: usize,
    length: usize,
    /// Strides from line to line and along one, of a matrix.
    matrix: [isize; 2],
    /// The same of the lanes.
    lanes: [usize; 2],
}

impl Walk {
    #[inline(always)]
    fn new([m, n]: [usize; 2], [down, across]: [isize; 2], width: usize, size: usize) -> Self {
        assert!(n <= width && m * width <= size, "lanes have room for the matrices");
        let by_rows = across == 1 && (down != 1 || n >= m);
        let mut walk = if down != 1 || by_rows {
            Walk { lines: m, length: n, matrix: [down, across], lanes: [width, 1] }
        } else {
            Walk { lines: n, length: m, matrix: [across, down], lanes: [1, width] }
        };
        // One after the other here and there, all lines are one.
        if walk.matrix == [n as isize, 1] && walk.lanes == [n, 1] {
            (walk.lines, walk.length) = (1, m * n);
        }
        walk
    }

    /// Elements of a line that go by tiles.
    #[inline(always)]
    fn tiled(&self, count: usize) -> usize {
        if self.matrix[1] == 1 { self.length / count * count } else { 0 }
    }
}

/// Matrices side by side, as the beginning of rows of `width`. They lie in the same way; lanes without one of their own repeat the last.
#[inline(always)]
pub(super) fn load_into<S: Simd, T: Real>(
    simd: S,
    matrices: &[MatRef<'_, T>],
    lanes: &mut [Lanes<S, T>],
    width: usize,
) {
    let zero = Lanes::<S, T>::splat(simd, T::ZERO);
    let count = zero.each().len();
    let (m, n) = matrices[0].shape();
    let strides = [matrices[0].row_stride(), matrices[0].col_stride()];
    let walk = Walk::new([m, n], strides, width, lanes.len());
    let mut from = [matrices[0].as_ptr(); WIDEST];
    for lane in 0..count {
        let matrix = matrices[lane.min(matrices.len() - 1)];
        assert!(matrix.shape() == (m, n) && [matrix.row_stride(), matrix.col_stride()] == strides);
        from[lane] = matrix.as_ptr();
    }
    let tiled = walk.tiled(count);
    for i in 0..walk.lines {
        let start = walk.matrix[0] * i as isize;
        let mut tile = [zero.vector; WIDEST];
        let mut j = 0;
        while j < tiled {
            for lane in 0..count {
                // SAFETY: elements j to j + count of line i exist in each matrix, one beside the other; a vector is as many elements.
                tile[lane] =
                    unsafe { from[lane].offset(start + j as isize).cast::<T::Vector<S>>().read_unaligned() };
            }
            T::transpose(simd, &mut tile[..count]);
            for c in 0..count {
                lanes[i * walk.lanes[0] + (j + c) * walk.lanes[1]].vector = tile[c];
            }
            j += count;
        }
        for j in tiled..walk.length {
            let to = lanes[i * walk.lanes[0] + j * walk.lanes[1]].each_mut();
            for lane in 0..count {
                // SAFETY: each matrix has this element.
                to[lane] = unsafe { *from[lane].offset(start + walk.matrix[1] * j as isize) };
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
    store_from(simd, lanes, n, &mut matrices);
}

/// Lanes of the beginning of rows of `width` into a matrix each. These lie in the same way.
#[inline(always)]
pub(super) fn store_from<S: Simd, T: Real>(
    simd: S,
    lanes: &[Lanes<S, T>],
    width: usize,
    matrices: &mut [MatMut<'_, T>],
) {
    let zero = Lanes::<S, T>::splat(simd, T::ZERO);
    let count = zero.each().len();
    let (m, n) = matrices[0].shape();
    let strides = [matrices[0].row_stride(), matrices[0].col_stride()];
    let walk = Walk::new([m, n], strides, width, lanes.len());
    let present = matrices.len().min(count);
    let mut to = [matrices[0].as_ptr_mut(); WIDEST];
    for lane in 0..present {
        let matrix = &mut matrices[lane];
        assert!(matrix.shape() == (m, n) && [matrix.row_stride(), matrix.col_stride()] == strides);
        to[lane] = matrix.as_ptr_mut();
    }
    let tiled = walk.tiled(count);
    for i in 0..walk.lines {
        let start = walk.matrix[0] * i as isize;
        let mut tile = [zero.vector; WIDEST];
        let mut j = 0;
        while j < tiled {
            for c in 0..count {
                tile[c] = lanes[i * walk.lanes[0] + (j + c) * walk.lanes[1]].vector;
            }
            T::transpose(simd, &mut tile[..count]);
            for lane in 0..count {
                if lane < present {
                    // SAFETY: as where they are read; the matrices are borrowed to be written, and lie apart.
                    unsafe {
                        to[lane].offset(start + j as isize).cast::<T::Vector<S>>().write_unaligned(tile[lane])
                    };
                }
            }
            j += count;
        }
        for j in tiled..walk.length {
            let from = lanes[i * walk.lanes[0] + j * walk.lanes[1]];
            for (&to, &x) in to[..present].iter().zip(from.each()) {
                // SAFETY: each matrix has this element.
                unsafe { *to.offset(start + walk.matrix[1] * j as isize) = x };
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
