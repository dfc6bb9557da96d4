//! Gaussian elimination with partial pivoting on the host. The pivot is the largest of its column; among equals, and beside NaN, the first.

use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place;
use faer::{Accum, MatMut, Par};
use pulp::{Arch, Simd, WithSimd};

use super::host::Real;
use super::lanes::{Lane, Lanes, WIDEST};

/// Columns that are eliminated one by one: as few as the products of wider blocks make up for.
const PANEL: usize = 8;

/// Makes a column-major `a` into unit lower triangular l and upper triangular u, in place. `swaps`, as many as there are pivots: row k was
/// exchanged with row `swaps[k]`, one after the other. A pivot that is zero stands at the head of a column of zeros, and is passed over.
pub(super) fn eliminate<T: Real>(mut a: MatMut<'_, T>, swaps: &mut [usize], par: Par) {
    let (m, n) = a.shape();
    if n <= PANEL {
        return Arch::new().dispatch(Panel { a, swaps });
    }
    let half = if n > m { m } else { (n / 2).next_multiple_of(PANEL) };
    let (mut left, mut right) = a.as_mut().split_at_col_mut(half);
    let (first, second) = swaps.split_at_mut(half);
    eliminate(left.as_mut(), first, par);
    exchange(right.as_mut(), first);
    let (l, below) = left.split_at_row_mut(half);
    let (mut u, mut rest) = right.split_at_row_mut(half);
    solve_unit_lower_triangular_in_place(l.as_ref(), u.as_mut(), par);
    if rest.nrows() > 0 {
        matmul(rest.as_mut(), Accum::Add, below.as_ref(), u.as_ref(), -T::ONE, par);
        eliminate(rest, second, par);
        exchange(below, second);
        second.iter_mut().for_each(|swap| *swap += half);
    }
}

/// Exchanges rows as an elimination did.
pub(super) fn exchange<T: Real>(a: MatMut<'_, T>, swaps: &[usize]) {
    for mut column in a.col_iter_mut() {
        for (k, &other) in swaps.iter().enumerate() {
            let (x, y) = (column[k], column[other]);
            (column[k], column[other]) = (y, x);
        }
    }
}

struct Panel<'a, T> {
    a: MatMut<'a, T>,
    swaps: &'a mut [usize],
}

impl<T: Real> WithSimd for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { mut a, swaps } = self;
        for (k, swap) in swaps.iter_mut().enumerate() {
            *swap = k + largest(simd, &column(a.as_mut(), k)[k..]);
            if *swap != k {
                (0..a.ncols()).for_each(|j| column(a.as_mut(), j).swap(k, *swap));
            }
            let (mut done, mut rest) = a.as_mut().split_at_col_mut(k + 1);
            let factors = &mut column(done.as_mut(), k)[k..];
            let (pivot, factors) = factors.split_first_mut().expect("pivots are rows");
            if *pivot == T::ZERO {
                continue;
            }
            factors.iter_mut().for_each(|x| *x /= *pivot);
            for j in 0..rest.ncols() {
                let (head, tail) = column(rest.as_mut(), j)[k..].split_first_mut().expect("pivots are rows");
                for (x, &factor) in tail.iter_mut().zip(&*factors) {
                    *x = x.minus_product(*head, factor);
                }
            }
        }
    }
}

#[inline(always)]
fn column<T>(a: MatMut<'_, T>, j: usize) -> &mut [T] {
    a.col_mut(j).try_as_col_major_mut().expect("the matrix is column-major").as_slice_mut()
}

/// The place of the largest absolute value, the first of equals; 0 if that is NaN.
#[inline(always)]
fn largest<S: Simd, T: Real>(simd: S, x: &[T]) -> usize {
    let (vectors, rest) = T::vectors(simd, x);
    let best = vectors.iter().fold(Lanes::splat(simd, T::ZERO), |best, &x| {
        let x = Lanes::new(simd, x).abs();
        best.where_less(x, x, best)
    });
    let rest = rest.iter().map(|x| x.magnitude());
    let best =
        best.each().iter().copied().chain(rest).fold(T::ZERO, |best, x| if best < x { x } else { best });
    x.iter().position(|x| x.magnitude() == best).unwrap_or(0)
}

/// [`eliminate`] for row-major matrices of m rows and n columns side by side, of which the first `pivots` columns are made triangular.
/// `exchanged(k, rows)` is told with which row, in each lane, row k was exchanged. Without `keep`, what is below the diagonal is not kept in
/// order: then a is no more than u, and what has become of the columns beyond the pivots.
#[inline(always)]
pub(super) fn eliminate_lanes<S: Simd, T: Real>(
    simd: S,
    [m, n]: [usize; 2],
    pivots: usize,
    keep: bool,
    a: &mut [Lanes<S, T>],
    mut exchanged: impl FnMut(usize, &[T]),
) {
    // Rows that are changed together, so that each element of the pivot's row is loaded once for all of them.
    const ROWS: usize = 4;
    let index = |i: usize| Lanes::splat(simd, T::from_f64(i as f64));
    let zero = Lanes::splat(simd, T::ZERO);
    for k in 0..pivots.min(m) {
        let (mut best, mut rows) = (a[k * n + k].abs(), index(k));
        for i in k + 1..m {
            let x = a[i * n + k].abs();
            rows = best.where_less(x, index(i), rows);
            best = best.where_less(x, x, best);
        }
        let others = rows.each();
        // Each row once, whatever the number of lanes that take it.
        let mut taken = [(0, zero); WIDEST];
        let mut count = 0;
        for (lane, &other) in others.iter().enumerate() {
            let row = other.to_f64() as usize;
            if row != k && !others[..lane].contains(&other) {
                taken[count] = ((row - k - 1) * n, Lanes::splat(simd, other));
                count += 1;
            }
        }
        exchanged(k, others);
        let (above, below) = a.split_at_mut((k + 1) * n);
        for j in if keep { 0 } else { k }..n {
            let x = above[k * n + j];
            let mut pivot = x;
            for &(start, here) in &taken[..count] {
                let y = &mut below[start + j];
                (pivot, *y) = (rows.where_equal(here, *y, pivot), rows.where_equal(here, x, *y));
            }
            above[k * n + j] = pivot;
        }
        let row = &above[k * n..];
        // Below a zero pivot there are only zeros, which 1 divides as well.
        let pivot = zero.where_less(row[k].abs(), row[k], Lanes::splat(simd, T::ONE));
        let mut blocks = below.chunks_exact_mut(ROWS * n);
        for block in &mut blocks {
            subtract::<S, T, ROWS>(row, k, pivot, block);
        }
        for block in blocks.into_remainder().chunks_exact_mut(n) {
            subtract::<S, T, 1>(row, k, pivot, block);
        }
    }
}

/// R rows less their multiples of the pivot's row.
#[inline(always)]
fn subtract<S: Simd, T: Lane, const R: usize>(
    row: &[Lanes<S, T>],
    k: usize,
    pivot: Lanes<S, T>,
    block: &mut [Lanes<S, T>],
) {
    let n = row.len();
    let mut factors = [pivot; R];
    for r in 0..R {
        factors[r] = block[r * n + k] / pivot;
        block[r * n + k] = factors[r];
    }
    for j in k + 1..n {
        let x = row[j];
        for r in 0..R {
            block[r * n + j] = block[r * n + j].minus_product(factors[r], x);
        }
    }
}
