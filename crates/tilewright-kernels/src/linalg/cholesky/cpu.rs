//! On the host: small matrices of a batch side by side in vector lanes, others one by one in faer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor;
use faer::{Mat, MatMut, MatRef, Par};
use pulp::{Simd, WithSimd};
use tilewright_core::{Result, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, copy, for_each};
use super::super::lanes::{self, Pack};

/// The factors and their infos. `a` has elements.
pub(super) fn cholesky<T: Real>(a: &Tensor, extents: &Extents, upper: bool) -> Result<(Tensor, Tensor)> {
    let (n, batches) = (extents.n, extents.batches());
    let a = Matrices::<T>::new(a)?;
    let mut factors = vec![T::ZERO; batches * n * n];
    let mut info = vec![0i32; batches];
    let items: Vec<_> = factors.chunks_mut(n * n).zip(&mut info).enumerate().collect();
    if lanes::fit::<T>(batches, n) {
        lanes::for_each::<T, _>(items, |run| {
            let matrices: Vec<_> = run.iter().map(|(item, _)| source(a.at(*item), upper)).collect();
            let mut packs = vec![T::Pack::splat(T::ZERO); n * n];
            lanes::load(&matrices, &mut packs);
            lanes::dispatch(Factor::<T> { n, packs: &mut packs });
            for (lane, (_, (out, info))) in run.into_iter().enumerate() {
                lanes::store(&packs, lane, target(out, n, upper));
                *info = finish(target(out, n, upper), n);
            }
        });
    } else {
        for_each(items, n, |(item, (out, info)), par| {
            *info = one(source(a.at(item), upper), target(out, n, upper), par);
        });
    }
    Ok((Tensor::from_vec(factors, extents.shape(&[n, n]))?, Tensor::from_vec(info, &extents.batch[..])?))
}

/// The view whose lower triangle is factored: the upper factor of a matrix is the lower one of its transpose, transposed.
fn source<T: Real>(a: MatRef<'_, T>, upper: bool) -> MatRef<'_, T> {
    if upper { a.transpose() } else { a }
}

/// The view of an output that takes the lower factor.
fn target<T: Real>(out: &mut [T], n: usize, upper: bool) -> MatMut<'_, T> {
    let out = MatMut::from_row_major_slice_mut(out, n, n);
    if upper { out.transpose_mut() } else { out }
}

/// Zeros above the diagonal; NaN throughout, and which pivot it was, if one was not a positive finite number.
fn finish<T: Real>(mut l: MatMut<'_, T>, n: usize) -> i32 {
    let failed = (0..n).find(|&k| !(l[(k, k)] > T::ZERO && l[(k, k)].finite()));
    match failed {
        Some(_) => l.fill(T::NAN),
        None => (0..n).for_each(|j| l.as_mut().col_mut(j).subrows_mut(0, j).fill(T::ZERO)),
    }
    failed.map_or(0, |k| k as i32 + 1)
}

fn one<T: Real>(a: MatRef<'_, T>, mut out: MatMut<'_, T>, par: Par) -> i32 {
    let n = a.nrows();
    let mut l = Mat::zeros(n, n);
    copy(a, l.as_mut());
    let mut memory = MemBuffer::new(factor::cholesky_in_place_scratch::<T>(n, par, Default::default()));
    let stack = MemStack::new(&mut memory);
    let done = factor::cholesky_in_place(l.as_mut(), Default::default(), par, stack, Default::default());
    if let Err(factor::LltError::NonPositivePivot { index }) = done {
        l[(index, index)] = T::NAN;
    }
    copy(l.as_ref(), out.as_mut());
    finish(out, n)
}

/// Lower factors of matrices side by side, row-major, in place; beyond the diagonal nothing is read or written.
struct Factor<'a, T: Real> {
    n: usize,
    packs: &'a mut [T::Pack],
}

/// Rows that are computed together, so that each element of the row above is loaded once for all of them.
const ROWS: usize = 4;

impl<T: Real> WithSimd for Factor<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Factor { n, packs } = self;
        for j in 0..n {
            let mut pivot = packs[j * n + j];
            for k in 0..j {
                pivot = pivot.minus_product(packs[j * n + k], packs[j * n + k]);
            }
            // A pivot that is not positive has no root: its lane is NaN from here on, and known by that.
            let root = pivot.root();
            packs[j * n + j] = root;
            let mut i = j + 1;
            while i + ROWS <= n {
                below::<T, ROWS>(packs, n, i, j, root);
                i += ROWS;
            }
            while i < n {
                below::<T, 1>(packs, n, i, j, root);
                i += 1;
            }
        }
    }
}

/// Column j of R rows from row i on.
#[inline(always)]
fn below<T: Real, const R: usize>(packs: &mut [T::Pack], n: usize, i: usize, j: usize, root: T::Pack) {
    let mut rest = [root; R];
    for r in 0..R {
        rest[r] = packs[(i + r) * n + j];
    }
    for k in 0..j {
        let above = packs[j * n + k];
        for r in 0..R {
            rest[r] = rest[r].minus_product(packs[(i + r) * n + k], above);
        }
    }
    for r in 0..R {
        packs[(i + r) * n + j] = rest[r] / root;
    }
}
