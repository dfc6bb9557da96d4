//! Reflections from both sides on the host, of matrices side by side in vector lanes: symmetric ones become tridiagonal, others upper bidiagonal
//! (LAPACK's SYTRD and GEBRD).

use pulp::Simd;

use super::host::Real;
use super::householder::{apply_lanes, reflect_column_lanes, reflection_lanes};
use super::lanes::Lanes;

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
    pub(super) d: Vec<Lanes<S, T>>,
    /// Beside it; one more than there are.
    pub(super) e: Vec<Lanes<S, T>>,
    /// Of the reflections from the left; of a symmetric matrix none.
    left: Vec<Lanes<S, T>>,
    /// Of those from the right.
    right: Vec<Lanes<S, T>>,
}

impl<S: Simd, T: Real> Reduced<S, T> {
    #[inline(always)]
    fn new(simd: S, n: usize) -> Self {
        let zeros = || vec![Lanes::splat(simd, T::ZERO); n];
        Reduced { d: zeros(), e: zeros(), left: zeros(), right: zeros() }
    }

    /// The product of the reflections from the right, n x n, row-major; their vectors lie in the rows of `a`, beyond the diagonal's neighbour.
    #[inline(always)]
    pub(super) fn right(&self, simd: S, a: &[Lanes<S, T>]) -> Vec<Lanes<S, T>> {
        let n = self.d.len();
        let mut q = identity(simd, n, n);
        for k in (0..n.saturating_sub(2)).rev() {
            apply_lanes(simd, &a[k * n + k + 2..(k + 1) * n], self.right[k], k + 1, n, k + 1, &mut q);
        }
        q
    }

    /// The first p columns of the product of the reflections from the left, m x p, row-major; their vectors lie in the columns of `a`, below the
    /// diagonal.
    #[inline(always)]
    pub(super) fn left(&self, simd: S, a: &[Lanes<S, T>], p: usize) -> Vec<Lanes<S, T>> {
        let n = self.d.len();
        let m = a.len() / n;
        let mut q = identity(simd, m, p);
        for k in (0..n).rev() {
            let below: Vec<_> = (k + 1..m).map(|i| a[i * n + k]).collect();
            apply_lanes(simd, &below, self.left[k], k, p, k, &mut q);
        }
        q
    }
}

/// The beginning of the identity.
#[inline(always)]
pub(super) fn identity<S: Simd, T: Real>(simd: S, rows: usize, columns: usize) -> Vec<Lanes<S, T>> {
    let mut q = vec![Lanes::splat(simd, T::ZERO); rows * columns];
    (0..rows.min(columns)).for_each(|i| q[i * columns + i] = Lanes::splat(simd, T::ONE));
    q
}

/// Of symmetric n x n matrices, both triangles of which are there.
#[inline(always)]
pub(super) fn tridiagonal<S: Simd, T: Real>(simd: S, n: usize, a: &mut [Lanes<S, T>]) -> Reduced<S, T> {
    let (zero, half) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE / T::from_count(2)));
    let mut reduced = Reduced::new(simd, n);
    let mut w = vec![zero; n];
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
        w.iter_mut().zip(v).for_each(|(w, &v)| *w = *w + share * v);
        in_blocks!(v.len(), |i| less_both(rest, n, i, v, w));
    }
    (0..n).for_each(|i| reduced.d[i] = a[i * n + i]);
    if n > 1 {
        reduced.e[n - 2] = a[(n - 1) * n - 1];
    }
    reduced
}

/// Of m x n matrices, n <= m.
#[inline(always)]
pub(super) fn bidiagonal<S: Simd, T: Real>(
    simd: S,
    [m, n]: [usize; 2],
    a: &mut [Lanes<S, T>],
) -> Reduced<S, T> {
    let mut reduced = Reduced::new(simd, n);
    for k in 0..n {
        reduced.left[k] = reflect_column_lanes(simd, [m, n], k, a);
        reduced.d[k] = a[k * n + k];
        if k + 2 >= n {
            if k + 1 < n {
                reduced.e[k] = a[k * n + k + 1];
            }
            continue;
        }
        let (done, rest) = a.split_at_mut((k + 1) * n);
        let (v, tau) = head_of_row(simd, &mut done[k * n + k + 1..], &mut reduced.e[k]);
        reduced.right[k] = tau;
        // Rows of `rest` begin with column 0, those of the trailing block with column k + 1.
        let trailing = k + 1;
        in_blocks!(m - trailing, |i| less_row(simd, rest, n, [i, trailing], v, tau));
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

/// R rows less `tau (row v) v`, from their column `first` on.
#[inline(always)]
fn less_row<S: Simd, T: Real, const R: usize>(
    simd: S,
    rows: &mut [Lanes<S, T>],
    n: usize,
    [i, first]: [usize; 2],
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
) {
    let mut factors = [Lanes::splat(simd, T::ZERO); R];
    let rows = &mut rows[i * n..(i + R) * n];
    for (j, &v) in v.iter().enumerate() {
        for r in 0..R {
            factors[r] = factors[r].minus_product(rows[r * n + first + j], v);
        }
    }
    // The sums were of the negative.
    factors.iter_mut().for_each(|x| *x = Lanes::splat(simd, T::ZERO) - *x * tau);
    for (j, &v) in v.iter().enumerate() {
        for r in 0..R {
            let x = &mut rows[r * n + first + j];
            *x = x.minus_product(factors[r], v);
        }
    }
}
