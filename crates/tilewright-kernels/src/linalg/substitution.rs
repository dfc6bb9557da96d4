//! Substitution in matrices side by side: triangles of n rows, row-major, and k right-hand sides, n x k, which become the solutions.

use std::ops::Range;

use pulp::Simd;

use super::lanes::{Lane, Lanes};

/// `l x = b` for lower triangular l. Beyond the diagonal nothing is read.
#[inline(always)]
pub(super) fn forward<S: Simd, T: Lane>(
    n: usize,
    k: usize,
    unit_diagonal: bool,
    l: &[Lanes<S, T>],
    x: &mut [Lanes<S, T>],
) {
    for i in 0..n {
        eliminate(&l[i * n..(i + 1) * n], 0..i, i, k, x);
        if !unit_diagonal {
            divide(l[i * n + i], i, k, x);
        }
    }
}

/// `u x = b` for upper triangular u.
#[inline(always)]
pub(super) fn backward<S: Simd, T: Lane>(n: usize, k: usize, u: &[Lanes<S, T>], x: &mut [Lanes<S, T>]) {
    for i in (0..n).rev() {
        eliminate(&u[i * n..(i + 1) * n], i + 1..n, i, k, x);
        divide(u[i * n + i], i, k, x);
    }
}

/// `x_i -= sum of row_j x_j` over the rows j that are known.
#[inline(always)]
fn eliminate<S: Simd, T: Lane>(
    row: &[Lanes<S, T>],
    known: Range<usize>,
    i: usize,
    k: usize,
    x: &mut [Lanes<S, T>],
) {
    // Columns of x are computed together, so that each element of the matrix is loaded once for all of them.
    const COLUMNS: usize = 4;
    let mut c = 0;
    while c + COLUMNS <= k {
        columns::<S, T, COLUMNS>(row, known.clone(), i, k, c, x);
        c += COLUMNS;
    }
    while c < k {
        columns::<S, T, 1>(row, known.clone(), i, k, c, x);
        c += 1;
    }
}

#[inline(always)]
fn columns<S: Simd, T: Lane, const C: usize>(
    row: &[Lanes<S, T>],
    known: Range<usize>,
    i: usize,
    k: usize,
    first: usize,
    x: &mut [Lanes<S, T>],
) {
    let mut rest = [x[i * k + first]; C];
    rest.copy_from_slice(&x[i * k + first..][..C]);
    for j in known {
        let (factor, solved) = (row[j], &x[j * k + first..][..C]);
        for c in 0..C {
            rest[c] = rest[c].minus_product(factor, solved[c]);
        }
    }
    x[i * k + first..][..C].copy_from_slice(&rest);
}

#[inline(always)]
fn divide<S: Simd, T: Lane>(by: Lanes<S, T>, i: usize, k: usize, x: &mut [Lanes<S, T>]) {
    for value in &mut x[i * k..(i + 1) * k] {
        *value = *value / by;
    }
}
