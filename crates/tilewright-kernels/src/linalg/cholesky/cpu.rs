//! On the host: small matrices of a batch side by side in vector lanes, others one by one in faer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor as llt;
use faer::{Mat, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, copy, for_each};
use super::super::lanes::{self, Lane, Lanes, Work};

/// The factors and their infos. `a` has elements.
pub(super) fn cholesky<T: Real>(a: &Tensor, extents: &Extents, upper: bool) -> Result<(Tensor, Tensor)> {
    let (n, batches) = (extents.n, extents.batches());
    let a = Matrices::<T>::new(a)?;
    let cpu = Stream::cpu();
    let mut factor = Tensor::empty(&cpu, T::DTYPE, extents.shape(&[n, n]))?;
    let mut info = Tensor::empty(&cpu, DType::I32, &extents.batch[..])?;
    let outputs = factor.as_slice_mut::<T>()?.chunks_mut(n * n).zip(info.as_slice_mut::<i32>()?);
    let items = outputs.enumerate();
    let items = items.map(|(item, (out, info))| Item {
        a: source(a.at(item), upper),
        out: target(out, n, upper),
        info,
    });
    if lanes::fit::<T>(batches, n) {
        lanes::for_each::<T, _>(&Factor, items.collect());
    } else {
        for_each(items.collect(), n, one);
    }
    Ok((factor, info))
}

/// One matrix, as views whose lower triangles are the input and the output.
struct Item<'a, T> {
    a: MatRef<'a, T>,
    out: MatMut<'a, T>,
    info: &'a mut i32,
}

/// The upper factor of a matrix is the lower one of its transpose, transposed.
fn source<T: Real>(a: MatRef<'_, T>, upper: bool) -> MatRef<'_, T> {
    if upper { a.transpose() } else { a }
}

fn target<T: Real>(out: &mut [T], n: usize, upper: bool) -> MatMut<'_, T> {
    let out = MatMut::from_row_major_slice_mut(out, n, n);
    if upper { out.transpose_mut() } else { out }
}

impl<T: Real> Item<'_, T> {
    /// Zeros above the diagonal; NaN throughout, and which pivot it was, if one was not a positive finite number.
    fn finish(mut self) {
        let (l, n) = (&mut self.out, self.a.nrows());
        let failed = (0..n).find(|&k| !(l[(k, k)] > T::ZERO && l[(k, k)].finite()));
        match failed {
            Some(_) => l.fill(T::NAN),
            None => (0..n).for_each(|j| l.as_mut().col_mut(j).subrows_mut(0, j).fill(T::ZERO)),
        }
        *self.info = failed.map_or(0, |k| k as i32 + 1);
    }
}

fn one<T: Real>(mut item: Item<'_, T>, par: Par) {
    let n = item.a.nrows();
    let mut l = Mat::zeros(n, n);
    copy(item.a, l.as_mut());
    let mut memory = MemBuffer::new(llt::cholesky_in_place_scratch::<T>(n, par, Default::default()));
    let stack = MemStack::new(&mut memory);
    let done = llt::cholesky_in_place(l.as_mut(), Default::default(), par, stack, Default::default());
    if let Err(llt::LltError::NonPositivePivot { index }) = done {
        l[(index, index)] = T::NAN;
    }
    copy(l.as_ref(), item.out.as_mut());
    item.finish();
}

/// Lower factors of matrices side by side.
struct Factor;

impl<T: Real> Work<Item<'_, T>> for Factor {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let n = items[0].a.nrows();
        let matrices: Vec<_> = items.iter().map(|item| item.a).collect();
        let mut l = lanes::load(simd, &matrices);
        factor(n, &mut l);
        lanes::store(simd, &l, items.iter_mut().map(|item| item.out.as_mut()));
        items.into_iter().for_each(Item::finish);
    }
}

/// The lower factor, row-major, in place; beyond the diagonal nothing is read or written.
#[inline(always)]
fn factor<S: Simd, T: Lane>(n: usize, l: &mut [Lanes<S, T>]) {
    // Rows that are computed together, so that each element of the row above is loaded once for all of them.
    const ROWS: usize = 4;
    for j in 0..n {
        let row = &l[j * n..j * n + j];
        // A pivot that is not positive has no root: its lane is NaN from here on, and known by that.
        let root = row.iter().fold(l[j * n + j], |pivot, &x| pivot.minus_product(x, x)).root();
        l[j * n + j] = root;
        let mut i = j + 1;
        while i + ROWS <= n {
            below::<S, T, ROWS>(l, n, i, j, root);
            i += ROWS;
        }
        while i < n {
            below::<S, T, 1>(l, n, i, j, root);
            i += 1;
        }
    }
}

/// Column j of R rows from row i on.
#[inline(always)]
fn below<S: Simd, T: Lane, const R: usize>(
    l: &mut [Lanes<S, T>],
    n: usize,
    i: usize,
    j: usize,
    root: Lanes<S, T>,
) {
    let (above, rows) = l.split_at_mut(i * n);
    let above = &above[j * n..j * n + j];
    let mut rest = [root; R];
    for r in 0..R {
        rest[r] = rows[r * n + j];
    }
    for (k, &x) in above.iter().enumerate() {
        for r in 0..R {
            rest[r] = rest[r].minus_product(rows[r * n + k], x);
        }
    }
    for r in 0..R {
        rows[r * n + j] = rest[r] / root;
    }
}
