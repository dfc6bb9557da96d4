//! Substitution in matrices side by side, all row-major, with k right-hand sides.

use pulp::Simd;

use super::lanes::{Lane, Lanes};

/// Columns that are computed together, so that each element of a triangle is loaded once for all of them.
const COLUMNS: [usize; 4] = [8, 4, 2, 1];

/// `l x = b` for lower triangular l, n x n: b, n x k, becomes x. Beyond the diagonal nothing is read, nor on it where it is `unit`.
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

/// `u x = y` of rows [u y], n x (n + k): y becomes x. Below the diagonal nothing is read.
#[inline(always)]
pub(super) fn backward<S: Simd, T: Lane>(n: usize, k: usize, system: &mut [Lanes<S, T>]) {
    let width = n + k;
    for i in (0..n).rev() {
        let (above, below) = system.split_at_mut((i + 1) * width);
        let (row, x) = above[i * width..].split_at_mut(n);
        let diagonal = row[i];
        let mut c = 0;
        for size in COLUMNS {
            while c + size <= k {
                let (row, x) = (&row[i + 1..], &mut x[c..c + size]);
                match size {
                    8 => less_known::<S, T, 8>(row, below, width, n + c, diagonal, x),
                    4 => less_known::<S, T, 4>(row, below, width, n + c, diagonal, x),
                    2 => less_known::<S, T, 2>(row, below, width, n + c, diagonal, x),
                    _ => less_known::<S, T, 1>(row, below, width, n + c, diagonal, x),
                }
                c += size;
            }
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
