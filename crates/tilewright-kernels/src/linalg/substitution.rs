//! Substitution in matrices side by side.

use std::ops::Range;

use pulp::Simd;

use super::host::Real;
use super::lanes::{Lane, Lanes};

/// Columns that are computed together, so that each element of a triangle is loaded once for all of them.
const COLUMNS: [usize; 4] = [8, 4, 2, 1];

/// `l x = b` for lower triangular l, n x n: b, n x k, becomes x. All are row-major. Beyond the diagonal nothing is read, nor on it where it is `unit`.
#[inline(always)]
pub(super) fn forward<S: Simd, T: Lane>(
    n: usize,
    k: usize,
    unit: Option<Lanes<S, T>>,
    l: &[Lanes<S, T>],
    x: &mut [Lanes<S, T>],
) {
    for i in 0..n {
        let (known, x) = x.split_at_mut(i * k);
        let row = &l[i * n..];
        let diagonal = unit.unwrap_or(row[i]);
        let mut c = 0;
        for size in COLUMNS {
            while c + size <= k {
                let (row, x) = (&row[..i], &mut x[c..c + size]);
                match size {
                    8 => less_known::<S, T, 8>(row, known, k, c, diagonal, x),
                    4 => less_known::<S, T, 4>(row, known, k, c, diagonal, x),
                    2 => less_known::<S, T, 2>(row, known, k, c, diagonal, x),
                    _ => less_known::<S, T, 1>(row, known, k, c, diagonal, x),
                }
                c += size;
            }
        }
    }
}

/// `t x = b` for a vector b, in place, with one of the triangles that an elimination made of column-major matrices, n x n: `upper`, or unit lower;
/// or with its transpose. What is known is subtracted from all that is left, so that no sum waits for the one before.
#[inline(always)]
pub(super) fn vector<S: Simd, T: Lane>(
    n: usize,
    upper: bool,
    transpose: bool,
    factors: &[Lanes<S, T>],
    x: &mut [Lanes<S, T>],
) {
    let [down, across] = if transpose { [n, 1] } else { [1, n] };
    let is_backward = upper != transpose;
    for step in 0..n {
        let k = if is_backward { n - 1 - step } else { step };
        if upper {
            x[k] = x[k] / factors[k * (n + 1)];
        }
        let known = x[k];
        let left = if is_backward { 0..k } else { k + 1..n };
        for i in left {
            x[i] = x[i].minus_product(factors[i * down + k * across], known);
        }
    }
}

/// Rows of a column-major triangle that are substituted together.
const AT_ONCE: usize = 4;

/// `u x = b` for upper triangular u, n x n: the columns b, of n, become x. All are column-major. Below the diagonal nothing is read.
#[inline(always)]
pub(super) fn backward<S: Simd, T: Real>(simd: S, n: usize, u: &[Lanes<S, T>], x: &mut [Lanes<S, T>]) {
    let mut end = n;
    while end > 0 {
        if end.is_multiple_of(AT_ONCE) {
            end -= AT_ONCE;
            backward_rows::<S, T, AT_ONCE>(simd, n, end, u, x);
        } else {
            end -= 1;
            backward_rows::<S, T, 1>(simd, n, end, u, x);
        }
    }
}

/// P rows of x, from row `first` on, and what is above less their products.
#[inline(always)]
fn backward_rows<S: Simd, T: Real, const P: usize>(
    simd: S,
    n: usize,
    first: usize,
    u: &[Lanes<S, T>],
    x: &mut [Lanes<S, T>],
) {
    let mut pairs = x.chunks_exact_mut(2 * n);
    for columns in &mut pairs {
        backward_columns::<S, T, P, 2>(simd, n, first, u, columns);
    }
    let column = pairs.into_remainder();
    if !column.is_empty() {
        backward_columns::<S, T, P, 1>(simd, n, first, u, column);
    }
}

#[inline(always)]
fn backward_columns<S: Simd, T: Real, const P: usize, const C: usize>(
    simd: S,
    n: usize,
    first: usize,
    u: &[Lanes<S, T>],
    columns: &mut [Lanes<S, T>],
) {
    let u = &u[first * n..(first + P) * n];
    let mut x = [[Lanes::splat(simd, T::ZERO); C]; P];
    for p in (0..P).rev() {
        for c in 0..C {
            let mut rest = columns[c * n + first + p];
            for q in p + 1..P {
                rest = rest.minus_product(u[q * n + first + p], x[q][c]);
            }
            x[p][c] = rest / u[p * n + first + p];
            columns[c * n + first + p] = x[p][c];
        }
    }
    less_products(n, 0..first, u, &x, columns);
}

/// C columns less the products of P others with `factors`, in some rows. Columns are of m.
#[inline(always)]
pub(super) fn less_products<S: Simd, T: Lane, const P: usize, const C: usize>(
    m: usize,
    rows: Range<usize>,
    others: &[Lanes<S, T>],
    factors: &[[Lanes<S, T>; C]; P],
    columns: &mut [Lanes<S, T>],
) {
    let size = rows.len();
    let mut from = [&others[..0]; P];
    for p in 0..P {
        from[p] = &others[p * m + rows.start..][..size];
    }
    let mut columns = columns.chunks_exact_mut(m);
    let to: [&mut [Lanes<S, T>]; C] =
        std::array::from_fn(|_| &mut columns.next().expect("there are C columns")[rows.start..][..size]);
    for i in 0..size {
        for c in 0..C {
            let mut x = to[c][i];
            for p in 0..P {
                x = x.minus_product(factors[p][c], from[p][i]);
            }
            to[c][i] = x;
        }
    }
}

/// `x = (x - sum of row_j x_j) / diagonal` in C columns, the first of which is column `column` of the rows that are known.
#[inline(always)]
fn less_known<S: Simd, T: Lane, const C: usize>(
    row: &[Lanes<S, T>],
    known: &[Lanes<S, T>],
    width: usize,
    column: usize,
    diagonal: Lanes<S, T>,
    x: &mut [Lanes<S, T>],
) {
    let mut rest = [diagonal; C];
    rest.copy_from_slice(x);
    for (&factor, known) in row.iter().zip(known.chunks_exact(width)) {
        let known = &known[column..column + C];
        for c in 0..C {
            rest[c] = rest[c].minus_product(factor, known[c]);
        }
    }
    for c in 0..C {
        x[c] = rest[c] / diagonal;
    }
}
