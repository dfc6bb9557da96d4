//! Reflections from both sides on the host, of matrices side by side in vector lanes: symmetric ones become tridiagonal, others upper bidiagonal
//! (LAPACK's SYTRD and GEBRD).

use pulp::Simd;

use super::host::Real;
use super::householder::{apply_lanes, reflect_column_lanes, reflection_lanes};
use super::lanes::{Lanes, Room};

/// Rows that are computed together, so that each element of a vector is loaded once for all of them.
const ROWS: [usize; 4] = [8, 4, 2, 1];

/// Runs a function on rows in blocks, its last generic argument being their number. A macro, as a closure might not be inlined, and would then be
/// without the vector unit that the code around it is compiled for.
macro_rules! in_blocks {
    ($rows:expr, |$i:ident| $function:ident($($argument:expr),*)) => {{
        let (rows, mut $i) = ($rows, 0);
        for size in ROWS {
            while $i + size <= rows {
                match size {
                    8 => $function::<S, T, 8>($($argument),*),
                    4 => $function::<S, T, 4>($($argument),*),
                    2 => $function::<S, T, 2>($($argument),*),
                    _ => $function::<S, T, 1>($($argument),*),
                }
                $i += size;
            }
        }
    }};
}

/// A tridiagonal or bidiagonal matrix, and the reflections that made it.
pub(super) struct Reduced<S: Simd, T: Real> {
    /// The diagonal.
    pub(super) d: Room<S, T>,
    /// Beside it; one more than there are.
    pub(super) e: Room<S, T>,
    /// Of the reflections from the left; of a symmetric matrix none.
    left: Room<S, T>,
    /// Of those from the right.
    right: Room<S, T>,
}

impl<S: Simd, T: Real> Reduced<S, T> {
    #[inline(always)]
    fn new(simd: S, n: usize) -> Self {
        let zeros = || Room::zeros(simd, n);
        Reduced { d: zeros(), e: zeros(), left: zeros(), right: zeros() }
    }

    /// The product of the reflections from the right, n x n, column-major; their vectors lie in the rows of `a`, beyond the diagonal's neighbour,
    /// with these strides from row to row and along them.
    #[inline(always)]
    pub(super) fn right(&self, simd: S, a: &[Lanes<S, T>], [down, across]: [usize; 2]) -> Room<S, T> {
        let n = self.d.len();
        let (mut q, mut v) = (identity(simd, n, n), Room::zeros(simd, n));
        for k in (0..n.saturating_sub(2)).rev() {
            let v = &mut v[k + 2..];
            for (i, v) in v.iter_mut().enumerate() {
                *v = a[k * down + (k + 2 + i) * across];
            }
            apply_lanes(simd, v, self.right[k], k + 1, n, &mut q[(k + 1) * n..]);
        }
        q
    }

    /// The first p columns of the product of the reflections from the left, m x p; their vectors lie in the columns of `a`, below the diagonal. Both
    /// are column-major.
    #[inline(always)]
    pub(super) fn left(&self, simd: S, a: &[Lanes<S, T>], p: usize) -> Room<S, T> {
        let n = self.d.len();
        let m = a.len() / n;
        let mut q = identity(simd, m, p);
        for k in (0..n).rev() {
            apply_lanes(simd, &a[k * m + k + 1..(k + 1) * m], self.left[k], k, m, &mut q[k * m..]);
        }
        q
    }
}

/// The beginning of the identity, column-major.
#[inline(always)]
pub(super) fn identity<S: Simd, T: Real>(simd: S, rows: usize, columns: usize) -> Room<S, T> {
    let mut q = Room::zeros(simd, rows * columns);
    for i in 0..rows.min(columns) {
        q[i * rows + i] = Lanes::splat(simd, T::ONE);
    }
    q
}

/// Of symmetric n x n matrices, both triangles of which are there.
#[inline(always)]
pub(super) fn tridiagonal<S: Simd, T: Real>(simd: S, n: usize, a: &mut [Lanes<S, T>]) -> Reduced<S, T> {
    let (zero, half) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE / T::from_count(2)));
    let mut reduced = Reduced::new(simd, n);
    let mut w = Room::zeros(simd, n);
    for k in 0..n.saturating_sub(2) {
        let (done, rest) = a.split_at_mut((k + 1) * n);
        let (v, tau) = head_of_row(simd, &mut done[k * n + k + 1..], &mut reduced.e[k]);
        reduced.right[k] = tau;
        let w = &mut w[..v.len()];
        in_blocks!(v.len(), |i| products(simd, rest, n, i, v, w));
        let mut common = zero;
        for (w, &v) in w.iter_mut().zip(v) {
            *w = *w * tau;
            common = common.minus_product(*w, v);
        }
        // The sum was of the negative.
        let share = tau * half * common;
        for (w, &v) in w.iter_mut().zip(v) {
            *w = *w + share * v;
        }
        in_blocks!(v.len(), |i| less_both(rest, n, i, v, w));
    }
    for i in 0..n {
        reduced.d[i] = a[i * n + i];
    }
    if n > 1 {
        reduced.e[n - 2] = a[(n - 1) * n - 1];
    }
    reduced
}

/// Of column-major m x n matrices, n <= m.
#[inline(always)]
pub(super) fn bidiagonal<S: Simd, T: Real>(
    simd: S,
    [m, n]: [usize; 2],
    a: &mut [Lanes<S, T>],
) -> Reduced<S, T> {
    let (mut reduced, mut row) = (Reduced::new(simd, n), Room::zeros(simd, n));
    for k in 0..n {
        reduced.left[k] = reflect_column_lanes(simd, m, k, a);
        reduced.d[k] = a[k * m + k];
        let rest = &mut a[(k + 1) * m..];
        if k + 2 >= n {
            if k + 1 < n {
                reduced.e[k] = rest[k];
            }
            continue;
        }
        let row = &mut row[k + 1..];
        for (x, column) in row.iter_mut().zip(rest.chunks_exact(m)) {
            *x = column[k];
        }
        let (v, tau) = head_of_row(simd, row, &mut reduced.e[k]);
        reduced.right[k] = tau;
        for (&x, column) in v.iter().zip(rest.chunks_exact_mut(m)) {
            column[k] = x;
        }
        in_blocks!(m - k - 1, |i| less_row(simd, rest, m, k + 1 + i, v, tau));
    }
    reduced
}

/// The reflection that leaves of a row its head, which becomes `beta`: its vector, in the row's place with the 1 that it begins with, and its tau.
#[inline(always)]
fn head_of_row<'a, S: Simd, T: Real>(
    simd: S,
    row: &'a mut [Lanes<S, T>],
    beta: &mut Lanes<S, T>,
) -> (&'a [Lanes<S, T>], Lanes<S, T>) {
    let (head, tail) = row.split_first_mut().expect("a row has a head");
    let tau;
    (*beta, tau) = reflection_lanes(simd, *head, tail);
    *head = Lanes::splat(simd, T::ONE);
    (row, tau)
}

/// The products of R rows with v, which ends where they do.
#[inline(always)]
fn products<S: Simd, T: Real, const R: usize>(
    simd: S,
    rows: &[Lanes<S, T>],
    n: usize,
    i: usize,
    v: &[Lanes<S, T>],
    out: &mut [Lanes<S, T>],
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let first = n - v.len();
    let mut sums = [zero; R];
    let rows = &rows[i * n..(i + R) * n];
    for (j, &v) in v.iter().enumerate() {
        for r in 0..R {
            sums[r] = sums[r].minus_product(rows[r * n + first + j], v);
        }
    }
    for r in 0..R {
        out[i + r] = zero - sums[r];
    }
}

/// R rows less `v_i w + w_i v`.
#[inline(always)]
fn less_both<S: Simd, T: Real, const R: usize>(
    rows: &mut [Lanes<S, T>],
    n: usize,
    i: usize,
    v: &[Lanes<S, T>],
    w: &[Lanes<S, T>],
) {
    let (size, first) = (v.len(), n - v.len());
    let (mut own_v, mut own_w) = ([v[i]; R], [w[i]; R]);
    own_v.copy_from_slice(&v[i..i + R]);
    own_w.copy_from_slice(&w[i..i + R]);
    let rows = &mut rows[i * n..(i + R) * n];
    for j in 0..size {
        let (v, w) = (v[j], w[j]);
        for r in 0..R {
            let x = &mut rows[r * n + first + j];
            *x = x.minus_product(own_v[r], w).minus_product(own_w[r], v);
        }
    }
}

/// R rows, from row i on, less `tau (row v) v`. The columns, of m, are as many as v has elements.
#[inline(always)]
fn less_row<S: Simd, T: Real, const R: usize>(
    simd: S,
    columns: &mut [Lanes<S, T>],
    m: usize,
    i: usize,
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let mut factors = [zero; R];
    for (&v, column) in v.iter().zip(columns.chunks_exact(m)) {
        let x = &column[i..][..R];
        for r in 0..R {
            factors[r] = factors[r].minus_product(x[r], v);
        }
    }
    // The sums were of the negative.
    for factor in &mut factors {
        *factor = zero - *factor * tau;
    }
    for (&v, column) in v.iter().zip(columns.chunks_exact_mut(m)) {
        let x = &mut column[i..][..R];
        for r in 0..R {
            x[r] = x[r].minus_product(factors[r], v);
        }
    }
}
