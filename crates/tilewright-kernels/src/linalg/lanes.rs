//! Many small matrices side by side: the same element of each in one vector, so that no operation of a factorization is too short for the
//! machine's vectors, whatever the size of the matrices.
//!
//! The types here are plain arrays of one width on every machine. What works on them is a [`pulp::WithSimd`] with everything inlined into
//! it, so that the loops over lanes become the vector instructions that were found at run time.

use std::ops::{Add, Div, Mul, Sub};

use faer::{MatMut, MatRef};
use pulp::{Arch, WithSimd};
use rayon::prelude::*;

use super::host::Real;

/// One number of each of several matrices, a lane each.
pub(super) trait Pack<T>:
    Copy
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AsRef<[T]>
    + AsMut<[T]>
{
    const LANES: usize;
    fn splat(x: T) -> Self;
    /// `self - a b`, rounded once.
    fn minus_product(self, a: Self, b: Self) -> Self;
    fn root(self) -> Self;
}

macro_rules! pack {
    ($pack:ident, $real:ident, $lanes:expr) => {
        /// 64 bytes of lanes: the widest vectors there are, or several narrower ones, which hide each other's latency.
        #[derive(Clone, Copy)]
        #[repr(align(64))]
        pub(super) struct $pack([$real; $lanes]);

        impl $pack {
            #[inline(always)]
            fn each(self, other: Self, of: impl Fn($real, $real) -> $real) -> Self {
                let mut out = self;
                for lane in 0..$lanes {
                    out.0[lane] = of(self.0[lane], other.0[lane]);
                }
                out
            }
        }

        pack!($pack, Add, add, |x, y| x + y);
        pack!($pack, Sub, sub, |x, y| x - y);
        pack!($pack, Mul, mul, |x, y| x * y);
        pack!($pack, Div, div, |x, y| x / y);

        impl AsRef<[$real]> for $pack {
            #[inline(always)]
            fn as_ref(&self) -> &[$real] {
                &self.0
            }
        }
        impl AsMut<[$real]> for $pack {
            #[inline(always)]
            fn as_mut(&mut self) -> &mut [$real] {
                &mut self.0
            }
        }

        impl Pack<$real> for $pack {
            const LANES: usize = $lanes;
            #[inline(always)]
            fn splat(x: $real) -> Self {
                Self([x; $lanes])
            }
            #[inline(always)]
            fn minus_product(self, a: Self, b: Self) -> Self {
                let mut out = self;
                for lane in 0..$lanes {
                    out.0[lane] = (-a.0[lane]).mul_add(b.0[lane], self.0[lane]);
                }
                out
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.each(self, |x, _| x.sqrt())
            }
        }
    };
    ($pack:ident, $trait:ident, $name:ident, $of:expr) => {
        impl $trait for $pack {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                self.each(other, $of)
            }
        }
    };
}

pack!(F32x16, f32, 16);
pack!(F64x8, f64, 8);

/// Beyond this size the matrices side by side outgrow the cache, and each alone is large enough for vectors of its own.
const LARGEST: usize = 64;

/// Whether matrices of size `n` are better computed side by side.
pub(super) fn fit<T: Real>(items: usize, n: usize) -> bool {
    (1..=LARGEST).contains(&n) && 2 * items >= T::Pack::LANES
}

/// Runs `task` on every run of up to LANES items, on all threads.
pub(super) fn for_each<T: Real, I: Send>(items: Vec<I>, task: impl Fn(Vec<I>) + Sync + Send) {
    let mut runs = Vec::new();
    let mut rest = items.into_iter();
    loop {
        let run: Vec<I> = rest.by_ref().take(T::Pack::LANES).collect();
        if run.is_empty() {
            break;
        }
        runs.push(run);
    }
    runs.into_par_iter().for_each(task);
}

/// Runs vector code compiled for the vector units found.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    Arch::new().dispatch(work)
}

/// Matrices side by side, row-major. Lanes without a matrix of their own repeat the last one.
pub(super) fn load<T: Real>(matrices: &[MatRef<'_, T>], to: &mut [T::Pack]) {
    let (m, n) = matrices[0].shape();
    for lane in 0..T::Pack::LANES {
        let matrix = matrices[lane.min(matrices.len() - 1)];
        for i in 0..m {
            for j in 0..n {
                to[i * n + j].as_mut()[lane] = matrix[(i, j)];
            }
        }
    }
}

/// Lane `lane` of `from`, which is row-major, into a matrix.
pub(super) fn store<T: Real>(from: &[T::Pack], lane: usize, mut to: MatMut<'_, T>) {
    let (m, n) = to.shape();
    for i in 0..m {
        for j in 0..n {
            to[(i, j)] = from[i * n + j].as_ref()[lane];
        }
    }
}
