//! Gaussian elimination with partial pivoting on the host. The pivot is the largest of its column; among equals, and beside NaN, the first.

use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use super::host::{Real, copy, parts};
use super::lanes::{self, Lanes, Room, WIDEST};
use super::substitution::less_products;
use crate::gemm::matmul::shared;

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
    exchange(right.as_mut(), first, par);
    let (l, below) = left.split_at_row_mut(half);
    let (mut u, mut rest) = right.split_at_row_mut(half);
    substitute(l.as_ref(), u.as_mut(), par);
    if rest.nrows() > 0 {
        let parts = parts(par, rest.nrows() * rest.ncols() * half);
        shared(rest.as_mut(), Accum::Add, below.as_ref(), u.as_ref(), -T::ONE, parts);
        eliminate(rest, second, par);
        exchange(below, second, par);
        second.iter_mut().for_each(|swap| *swap += half);
    }
}

/// `l x = b` for unit lower triangular l: b becomes x. Both are column-major.
pub(super) fn substitute<T: Real>(l: MatRef<'_, T>, b: MatMut<'_, T>, par: Par) {
    // Rows that are substituted by vectors of columns; more of them by products.
    const ROWS: usize = 64;
    let (n, columns) = b.shape();
    if parts(par, n * n / 2 * columns) > 1 && columns > 1 {
        // Columns have nothing to do with each other.
        let (first, second) = b.split_at_col_mut(columns / 2);
        let half = |columns| move || substitute(l, columns, par);
        rayon::join(half(first), half(second));
        return;
    }
    if n <= ROWS {
        return Arch::new().dispatch(Substitute { l, b });
    }
    let half = (n / 2).next_multiple_of(ROWS / 2);
    let (first, _, below, second) = l.split_at(half, half);
    let (mut top, mut rest) = b.split_at_row_mut(half);
    substitute(first, top.as_mut(), Par::Seq);
    shared(rest.as_mut(), Accum::Add, below, top.as_ref(), -T::ONE, 1);
    substitute(second, rest, Par::Seq);
}

struct Substitute<'a, T> {
    l: MatRef<'a, T>,
    b: MatMut<'a, T>,
}

impl<T: Real> WithSimd for Substitute<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Substitute { l, mut b } = self;
        let (n, columns) = b.shape();
        let count = Lanes::<S, T>::splat(simd, T::ZERO).each().len();
        // Column after column.
        let mut packed = vec![T::ZERO; n * n];
        copy(l, MatMut::from_column_major_slice_mut(&mut packed, n, n));
        let mut x = Room::zeros(simd, n);
        for j in (0..columns).step_by(count) {
            let here = count.min(columns - j);
            let sides: Vec<_> = (j..j + here).map(|c| b.as_ref().subcols(c, 1)).collect();
            lanes::load_into(simd, &sides, &mut x, 1);
            let mut i = 0;
            while i + 8 <= n {
                substitute_rows::<S, T, 8>(simd, &packed, n, i, &mut x);
                i += 8;
            }
            while i < n {
                substitute_rows::<S, T, 1>(simd, &packed, n, i, &mut x);
                i += 1;
            }
            let (mut targets, mut part) = (Vec::with_capacity(here), b.as_mut().subcols_mut(j, here));
            while part.ncols() > 0 {
                let (first, others) = part.split_at_col_mut(1);
                targets.push(first);
                part = others;
            }
            lanes::store_from(simd, &x, 1, &mut targets);
        }
    }
}

/// Rows i to i + R of x, of which those before are known.
#[inline(always)]
fn substitute_rows<S: Simd, T: Real, const R: usize>(
    simd: S,
    l: &[T],
    n: usize,
    i: usize,
    x: &mut [Lanes<S, T>],
) {
    let mut rows = [Lanes::splat(simd, T::ZERO); R];
    rows.copy_from_slice(&x[i..i + R]);
    for (&x, column) in x[..i].iter().zip(l.chunks_exact(n)) {
        let column = &column[i..i + R];
        for r in 0..R {
            rows[r] = rows[r].minus_product(Lanes::splat(simd, column[r]), x);
        }
    }
    for q in 0..R {
        let column = &l[(i + q) * n + i..][..R];
        for r in q + 1..R {
            rows[r] = rows[r].minus_product(Lanes::splat(simd, column[r]), rows[q]);
        }
    }
    x[i..i + R].copy_from_slice(&rows);
}

/// Exchanges rows of a column-major matrix as an elimination did.
pub(super) fn exchange<T: Real>(mut a: MatMut<'_, T>, swaps: &[usize], par: Par) {
    let columns = a.ncols();
    // An exchange is worth some multiplications.
    if parts(par, 16 * columns * swaps.len()) > 1 && columns > 1 {
        let (first, second) = a.split_at_col_mut(columns / 2);
        let half = |columns| move || exchange(columns, swaps, par);
        rayon::join(half(first), half(second));
        return;
    }
    for j in 0..a.ncols() {
        let column = column(a.as_mut(), j);
        for (k, &other) in swaps.iter().enumerate() {
            column.swap(k, other);
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

/// [`eliminate`] for column-major matrices of m rows side by side, of which the first `pivots` columns are made triangular. `exchanged(k, rows)` is
/// told with which row, in each lane, row k was exchanged. Without `keep`, what is below the diagonal is not kept in order: then a is no more than
/// u, and what has become of the columns beyond the pivots.
#[inline(always)]
pub(super) fn eliminate_lanes<S: Simd, T: Real>(
    simd: S,
    m: usize,
    pivots: usize,
    keep: bool,
    a: &mut [Lanes<S, T>],
    mut exchanged: impl FnMut(usize, &[T]),
) {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let pivots = pivots.min(m);
    let mut first = 0;
    while first < pivots {
        let end = pivots.min(first + AT_ONCE);
        for k in first..end {
            let rows = pivot_rows(simd, k, &a[k * m + k..(k + 1) * m]);
            exchanged(k, rows.each());
            exchange_lanes(simd, m, k, rows, &mut a[if keep { 0 } else { first * m }..]);
            let (done, rest) = a.split_at_mut((k + 1) * m);
            let (pivot, factors) = done[k * m + k..].split_first_mut().expect("a pivot is a row");
            // Below a zero pivot there are only zeros, which 1 divides as well. A NaN is no zero: what it divides is NaN.
            let pivot = pivot.where_equal(zero, one, *pivot);
            for x in factors.iter_mut() {
                *x = *x / pivot;
            }
            for column in rest[..(end - k - 1) * m].chunks_exact_mut(m) {
                let (head, tail) = column[k..].split_first_mut().expect("a pivot is a row");
                for (x, &factor) in tail.iter_mut().zip(&*factors) {
                    *x = x.minus_product(*head, factor);
                }
            }
        }
        let (done, rest) = a.split_at_mut(end * m);
        let done = &done[first * m..];
        match end - first {
            AT_ONCE => eliminate_rest::<S, T, AT_ONCE>(simd, m, first, done, rest),
            _ => {
                for k in 0..end - first {
                    eliminate_rest::<S, T, 1>(simd, m, first + k, &done[k * m..(k + 1) * m], rest);
                }
            }
        }
        first = end;
    }
}

/// Pivots whose products are subtracted together from the columns that follow.
const AT_ONCE: usize = 4;

/// Eliminates, from the columns `rest`, by the P pivots from row `first` on, whose columns are `done`.
#[inline(always)]
fn eliminate_rest<S: Simd, T: Real, const P: usize>(
    simd: S,
    m: usize,
    first: usize,
    done: &[Lanes<S, T>],
    rest: &mut [Lanes<S, T>],
) {
    let mut pairs = rest.chunks_exact_mut(2 * m);
    for columns in &mut pairs {
        eliminate_columns::<S, T, P, 2>(simd, m, first, done, columns);
    }
    let column = pairs.into_remainder();
    if !column.is_empty() {
        eliminate_columns::<S, T, P, 1>(simd, m, first, done, column);
    }
}

#[inline(always)]
fn eliminate_columns<S: Simd, T: Real, const P: usize, const C: usize>(
    simd: S,
    m: usize,
    first: usize,
    done: &[Lanes<S, T>],
    columns: &mut [Lanes<S, T>],
) {
    let mut u = [[Lanes::splat(simd, T::ZERO); C]; P];
    for p in 0..P {
        for c in 0..C {
            let mut x = columns[c * m + first + p];
            for q in 0..p {
                x = x.minus_product(done[q * m + first + p], u[q][c]);
            }
            columns[c * m + first + p] = x;
            u[p][c] = x;
        }
    }
    less_products(m, first + P..m, done, &u, columns);
}

/// The row, from k on, of the largest absolute value of the rest of column k; the first of equals, and k if that is NaN.
#[inline(always)]
fn pivot_rows<S: Simd, T: Real>(simd: S, k: usize, column: &[Lanes<S, T>]) -> Lanes<S, T> {
    // As many parts of the column at once: no comparison waits for the one before.
    const PARTS: usize = 4;
    let index = |i: usize| Lanes::splat(simd, T::from_count(i));
    let (zero, one) = (index(0), index(1));
    let part = column.len() / PARTS;
    let (mut best, mut rows, mut here) = ([zero; PARTS], [index(k); PARTS], [zero; PARTS]);
    for (p, here) in here.iter_mut().enumerate() {
        *here = index(k + p * part);
    }
    best[0] = column[0].abs();
    for i in 0..part {
        for p in 0..PARTS {
            let x = column[p * part + i].abs();
            rows[p] = best[p].where_less(x, here[p], rows[p]);
            best[p] = best[p].where_less(x, x, best[p]);
            here[p] = here[p] + one;
        }
    }
    for (i, x) in column[PARTS * part..].iter().enumerate() {
        let x = x.abs();
        rows[PARTS - 1] = best[PARTS - 1].where_less(x, index(k + PARTS * part + i), rows[PARTS - 1]);
        best[PARTS - 1] = best[PARTS - 1].where_less(x, x, best[PARTS - 1]);
    }
    for p in 1..PARTS {
        rows[0] = best[0].where_less(best[p], rows[p], rows[0]);
        best[0] = best[0].where_less(best[p], best[p], best[0]);
    }
    rows[0]
}

/// Exchanges row k with each lane's own one of `rows`, in columns of m.
#[inline(always)]
fn exchange_lanes<S: Simd, T: Real>(
    simd: S,
    m: usize,
    k: usize,
    rows: Lanes<S, T>,
    columns: &mut [Lanes<S, T>],
) {
    // Each row once, whatever the number of lanes that take it.
    let mut set = 0u64;
    for row in rows.each() {
        set |= 1 << row.to_f64() as u32;
    }
    set &= !(1 << k);
    let mut taken = [(0, rows); WIDEST];
    let mut count = 0;
    while set != 0 {
        let row = set.trailing_zeros() as usize;
        taken[count] = (row, rows.equal(Lanes::splat(simd, T::from_count(row))));
        count += 1;
        set &= set - 1;
    }
    if count == 0 {
        return;
    }
    let mut pairs = columns.chunks_exact_mut(2 * m);
    for pair in &mut pairs {
        let (first, second) = pair.split_at_mut(m);
        let (mut x, mut y) = (first[k], second[k]);
        for &(row, lanes) in &taken[..count] {
            Lanes::exchange(lanes, &mut x, &mut first[row]);
            Lanes::exchange(lanes, &mut y, &mut second[row]);
        }
        (first[k], second[k]) = (x, y);
    }
    let column = pairs.into_remainder();
    if !column.is_empty() {
        let mut x = column[k];
        for &(row, lanes) in &taken[..count] {
            Lanes::exchange(lanes, &mut x, &mut column[row]);
        }
        column[k] = x;
    }
}
