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
    /// A slice as vectors, and what is left over.
    fn vectors<S: Simd>(simd: S, x: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    fn lanes<S: Simd>(vector: &Self::Vector<S>) -> &[Self];
    fn lanes_mut<S: Simd>(vector: &mut Self::Vector<S>) -> &mut [Self];
}

macro_rules! lane {
    ($real:ident, $vector:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $abs:ident, $sqrt:ident, $fused:ident,
        $less:ident, $select:ident, $as_simd:ident) => {
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
                simd.$abs(a)
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
                simd.$select(simd.$less(a, b), then, otherwise)
            }
            #[inline(always)]
            fn vectors<S: Simd>(_: S, x: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$as_simd(x)
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
lane!(f32, f32s, splat_f32s, add_f32s, sub_f32s, mul_f32s, div_f32s, abs_f32s, sqrt_f32s, negate_mul_add_f32s, less_than_f32s,
    select_f32s, as_simd_f32s);
#[rustfmt::skip]
lane!(f64, f64s, splat_f64s, add_f64s, sub_f64s, mul_f64s, div_f64s, abs_f64s, sqrt_f64s, negate_mul_add_f64s, less_than_f64s,
    select_f64s, as_simd_f64s);

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

/// Matrices side by side, row-major. Lanes without a matrix of their own repeat the last one.
#[inline(always)]
pub(super) fn load<S: Simd, T: Real>(simd: S, matrices: &[MatRef<'_, T>]) -> Vec<Lanes<S, T>> {
    let (m, n) = matrices[0].shape();
    let mut lanes = vec![Lanes::splat(simd, T::ZERO); m * n];
    let width = Lanes::splat(simd, T::ZERO).each().len();
    for lane in 0..width {
        let matrix = matrices[lane.min(matrices.len() - 1)];
        for (to, from) in lanes.chunks_exact_mut(n).zip(matrix.row_iter()) {
            for (to, &from) in to.iter_mut().zip(from.iter()) {
                to.each_mut()[lane] = from;
            }
        }
    }
    lanes
}

/// Lane `lane` of `lanes`, which are row-major, into a matrix.
#[inline(always)]
pub(super) fn store<S: Simd, T: Real>(lanes: &[Lanes<S, T>], lane: usize, mut to: MatMut<'_, T>) {
    let n = to.ncols();
    for (to, from) in to.as_mut().row_iter_mut().zip(lanes.chunks_exact(n)) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.each()[lane];
        }
    }
}
