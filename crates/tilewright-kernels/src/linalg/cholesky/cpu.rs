//! On the host: small matrices of a batch side by side in vector lanes, others one by one in faer.

use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Simd;
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, Scratch, Workspace, copy, for_each, parts};
use super::super::lanes::{self, Lanes, Work};
use crate::gemm::matmul::shared_lower;

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
            None if l.col_stride() == 1 => {
                (0..n).for_each(|i| l.as_mut().row_mut(i).subcols_mut(i + 1, n - i - 1).fill(T::ZERO));
            }
            None => (0..n).for_each(|j| l.as_mut().col_mut(j).subrows_mut(0, j).fill(T::ZERO)),
        }
        *self.info = failed.map_or(0, |k| k as i32 + 1);
    }
}

fn one<T: Real>(mut item: Item<'_, T>, par: Par) {
    let n = item.a.nrows();
    let mut l = Scratch::new(n, n);
    copy_lower(item.a, l.as_mut());
    if let Err(index) = single(l.as_mut(), par) {
        l.as_mut()[(index, index)] = T::NAN;
    }
    copy_lower(l.as_ref(), item.out.as_mut());
    item.finish();
}

/// Copies what is on and below the diagonal; of what is above it, some.
fn copy_lower<T: Real>(from: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    let n = from.nrows();
    for left in (0..n).step_by(WHOLE) {
        let right = n.min(left + WHOLE);
        copy(from.get(left.., left..right), to.as_mut().get_mut(left.., left..right));
    }
}

/// From this size on a matrix is divided.
const WHOLE: usize = 128;

/// The lower factor of a column-major matrix in place, or the pivot that is not a positive number; above the diagonal something may be written.
pub(in super::super) fn single<T: Real>(mut l: MatMut<'_, T>, par: Par) -> std::result::Result<(), usize> {
    let n = l.nrows();
    if n <= WHOLE {
        let mut memory = Workspace::new(llt::cholesky_in_place_scratch::<T>(n, Par::Seq, Default::default()));
        let stack = memory.stack();
        let done = llt::cholesky_in_place(l, Default::default(), Par::Seq, stack, Default::default());
        return done.map(drop).map_err(|llt::LltError::NonPositivePivot { index }| index);
    }
    let half = (n / 2).next_multiple_of(WHOLE / 2);
    let (mut first, _, mut below, mut rest) = l.as_mut().split_at_mut(half, half);
    single(first.as_mut(), par)?;
    let products = half * rest.nrows() / 2;
    substitute_right(first.as_ref(), below.as_mut(), par);
    let (left, right) = (below.as_ref(), below.as_ref().transpose());
    let parts = parts(par, products * rest.nrows());
    shared_lower(rest.as_mut(), Accum::Add, left, right, -T::ONE, parts);
    single(rest, par).map_err(|index| half + index)
}

/// `x lᵀ = b`: b becomes x. Its rows have nothing to do with each other.
fn substitute_right<T: Real>(l: MatRef<'_, T>, b: MatMut<'_, T>, par: Par) {
    let rows = b.nrows();
    if parts(par, l.nrows() * l.nrows() / 2 * rows) > 1 && rows > 1 {
        let (first, second) = b.split_at_row_mut(rows / 2);
        let half = |rows| move || substitute_right(l, rows, par);
        rayon::join(half(first), half(second));
        return;
    }
    solve_lower_triangular_in_place(l, b.transpose_mut(), Par::Seq);
}

/// Lower factors of matrices side by side.
struct Factor;

impl<T: Real> Work<Item<'_, T>> for Factor {
    #[inline(always)]
    fn run<S: Simd>(&self, simd: S, mut items: Vec<Item<'_, T>>) {
        let n = items[0].a.nrows();
        let matrices: Vec<_> = items.iter().map(|item| item.a).collect();
        let mut l = lanes::load(simd, &matrices);
        let failed = factor(simd, n, &mut l);
        lanes::store(simd, &l, items.iter_mut().map(|item| item.out.as_mut()));
        for (mut item, &failed) in items.into_iter().zip(failed.each()) {
            *item.info = failed.to_f64() as i32;
            if *item.info != 0 {
                item.out.fill(T::NAN);
            }
        }
    }
}

/// The lower factor, row-major, in place, with zeros above the diagonal, where nothing is read. Which pivot, from 1 on, was the first that is not a
/// positive finite number; 0 where all are.
#[inline(always)]
fn factor<S: Simd, T: Real>(simd: S, n: usize, l: &mut [Lanes<S, T>]) -> Lanes<S, T> {
    let index = |i: usize| Lanes::splat(simd, T::from_count(i));
    let (zero, one) = (index(0), index(1));
    // Columns go by twos: each sum of products then waits for the others no longer than they take.
    for j in (0..n - n % 2).step_by(2) {
        columns::<S, T, 2>(simd, n, j, l);
    }
    if n % 2 == 1 {
        columns::<S, T, 1>(simd, n, n - 1, l);
    }
    let mut failed = zero;
    for k in (0..n).rev() {
        let pivot = l[k * n + k];
        // Infinity and NaN less themselves are not 0.
        let if_finite = pivot.minus_product(pivot, one).where_equal(zero, failed, index(k + 1));
        failed = zero.where_less(pivot, if_finite, index(k + 1));
    }
    failed
}

/// Columns j to j + C.
#[inline(always)]
fn columns<S: Simd, T: Real, const C: usize>(simd: S, n: usize, j: usize, l: &mut [Lanes<S, T>]) {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let mut head = rest::<S, T, C, C>(simd, n, j, j, l);
    let mut inverse = [one; C];
    for c in 0..C {
        // A pivot that is not positive has no root: its lane is NaN from here on, and known by that.
        let mut pivot = head[c][c];
        for &x in &head[c][..c] {
            pivot = pivot.minus_product(x, x);
        }
        let root = pivot.root();
        head[c][c] = root;
        inverse[c] = one / root;
        for r in c + 1..C {
            for k in 0..c {
                head[r][c] = head[r][c].minus_product(head[r][k], head[c][k]);
            }
            head[r][c] = head[r][c] * inverse[c];
        }
        let row = &mut l[(j + c) * n..(j + c + 1) * n];
        for x in &mut row[j + c + 1..] {
            *x = zero;
        }
        row[j..j + c + 1].copy_from_slice(&head[c][..c + 1]);
    }
    let mut i = j + C;
    while i + 4 <= n {
        below::<S, T, 4, C>(simd, n, i, j, &head, &inverse, l);
        i += 4;
    }
    while i < n {
        below::<S, T, 1, C>(simd, n, i, j, &head, &inverse, l);
        i += 1;
    }
}

/// Columns j to j + C of R rows from row i on, below the triangle `head`, by the inverses of its diagonal.
#[inline(always)]
fn below<S: Simd, T: Real, const R: usize, const C: usize>(
    simd: S,
    n: usize,
    i: usize,
    j: usize,
    head: &[[Lanes<S, T>; C]; C],
    inverse: &[Lanes<S, T>; C],
    l: &mut [Lanes<S, T>],
) {
    let mut x = rest::<S, T, R, C>(simd, n, i, j, l);
    for r in 0..R {
        for c in 0..C {
            for k in 0..c {
                x[r][c] = x[r][c].minus_product(x[r][k], head[c][k]);
            }
            x[r][c] = x[r][c] * inverse[c];
        }
        l[(i + r) * n + j..][..C].copy_from_slice(&x[r]);
    }
}

/// Elements (i, j) to (i + R, j + C) less the products of what is known of their rows and of rows j to j + C.
#[inline(always)]
fn rest<S: Simd, T: Real, const R: usize, const C: usize>(
    simd: S,
    n: usize,
    i: usize,
    j: usize,
    l: &[Lanes<S, T>],
) -> [[Lanes<S, T>; C]; R] {
    let mut x = [[Lanes::splat(simd, T::ZERO); C]; R];
    let (mut rows, mut others) = ([&l[..0]; R], [&l[..0]; C]);
    for r in 0..R {
        rows[r] = &l[(i + r) * n..][..j];
        x[r].copy_from_slice(&l[(i + r) * n + j..][..C]);
    }
    for c in 0..C {
        others[c] = &l[(j + c) * n..][..j];
    }
    for k in 0..j {
        for r in 0..R {
            for c in 0..C {
                x[r][c] = x[r][c].minus_product(rows[r][k], others[c][k]);
            }
        }
    }
    x
}
