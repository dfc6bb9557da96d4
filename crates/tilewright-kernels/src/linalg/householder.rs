//! Householder's reflections on the host: `h = 1 - tau v vᵀ` with `v = (1, tail)`, so that `h x = (beta, 0)`.
//!
//! Blocks of them are applied at once: `h_1 .. h_k = 1 - v s⁻¹ vᵀ`, where s is upper triangular, `vᵀ v` above its diagonal and `1 / tau` on it
//! (Puglisi's form of the compact WY representation). A reflection that is the identity has tau = 0; faer, which applies the blocks, takes
//! its infinite `1 / tau` for what it means.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder as blocks;
use faer::{Conj, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use super::host::Real;
use super::lanes::Lanes;

/// Columns that are reflected one by one before the others follow at once.
fn block_size(m: usize, n: usize) -> usize {
    match m.min(n) {
        0..=48 => 8,
        49..=256 => 16,
        _ => 32,
    }
}

/// Makes a column-major `a` into r, above and on the diagonal, and the tails of the reflections' vectors below it.
pub(super) fn reflect<T: Real>(mut a: MatMut<'_, T>, tau: &mut [T], par: Par) {
    let (m, n) = a.shape();
    let size = block_size(m, n);
    for (block, tau) in tau.chunks_mut(size).enumerate() {
        let first = block * size;
        let (mut panel, mut rest) = a.as_mut().get_mut(first.., first..).split_at_col_mut(tau.len());
        Arch::new().dispatch(Panel { a: panel.as_mut(), tau });
        apply(panel.as_ref(), tau, true, rest.as_mut(), par);
    }
}

/// The product of all reflections with `c`, or its transpose with `c`, in place. With `identity`, c is the beginning of the identity, so that
/// block after block only columns from its first one on have changed.
pub(super) fn apply_all<T: Real>(
    v: MatRef<'_, T>,
    tau: &[T],
    transpose: bool,
    identity: bool,
    mut c: MatMut<'_, T>,
    par: Par,
) {
    let size = block_size(v.nrows(), v.ncols());
    let blocks = tau.len().div_ceil(size);
    for step in 0..blocks {
        let first = size * if transpose { step } else { blocks - 1 - step };
        let tau = &tau[first..tau.len().min(first + size)];
        let columns = if identity { first.min(c.ncols()) } else { 0 };
        let v = v.get(first.., first..first + tau.len());
        apply(v, tau, transpose, c.as_mut().get_mut(first.., columns..), par);
    }
}

fn apply<T: Real>(v: MatRef<'_, T>, tau: &[T], transpose: bool, mut c: MatMut<'_, T>, par: Par) {
    let size = tau.len();
    if c.ncols() == 0 || c.nrows() == 0 {
        return;
    }
    // faer takes a reflection without a tail for the identity; with tau = 2, which LAPACK's callers may have, it is -1.
    if let (1, &[tau]) = (v.nrows(), tau) {
        (0..c.ncols()).for_each(|j| c[(0, j)] *= T::ONE - tau);
        return;
    }
    let mut s = Mat::zeros(size, size);
    Arch::new().dispatch(Gram { v, tau, s: s.as_mut() });
    let memory =
        blocks::apply_block_householder_on_the_left_in_place_scratch::<T>(v.nrows(), size, c.ncols());
    let mut memory = MemBuffer::new(memory);
    let stack = MemStack::new(&mut memory);
    if transpose {
        blocks::apply_block_householder_transpose_on_the_left_in_place_with_conj(
            v,
            s.as_ref(),
            Conj::No,
            c,
            par,
            stack,
        );
    } else {
        blocks::apply_block_householder_on_the_left_in_place_with_conj(
            v,
            s.as_ref(),
            Conj::No,
            c,
            par,
            stack,
        );
    }
}

#[inline(always)]
pub(super) fn column<T>(a: MatMut<'_, T>, j: usize) -> &mut [T] {
    a.col_mut(j).try_as_col_major_mut().expect("the matrix is column-major").as_slice_mut()
}

struct Panel<'a, T> {
    a: MatMut<'a, T>,
    tau: &'a mut [T],
}

impl<T: Real> WithSimd for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panel { mut a, tau } = self;
        for (k, tau) in tau.iter_mut().enumerate() {
            let (mut done, mut rest) = a.as_mut().split_at_col_mut(k + 1);
            let (head, tail) = column(done.as_mut(), k)[k..].split_first_mut().expect("reflections are rows");
            *tau = reflection(simd, head, tail);
            for j in 0..rest.ncols() {
                let (first, others) = column(rest.as_mut(), j)[k..].split_first_mut().expect("as many rows");
                let factor = *tau * (*first + dot(simd, tail, others));
                *first -= factor;
                for (x, &v) in others.iter_mut().zip(&*tail) {
                    *x = x.minus_product(factor, v);
                }
            }
        }
    }
}

/// Makes (head, tail) into (beta, the tail of v) and gives tau.
#[inline(always)]
pub(super) fn reflection<S: Simd, T: Real>(simd: S, head: &mut T, tail: &mut [T]) -> T {
    let mut square = dot(simd, tail, tail);
    let mut scale = T::ONE;
    if !T::SAFE_SQUARES.contains(&square) || *head * *head > *T::SAFE_SQUARES.end() {
        // Squares that leave the range, or come from zeros: divided by the largest element they do not.
        let largest = tail
            .iter()
            .fold(T::ZERO, |largest, x| if largest < x.magnitude() { x.magnitude() } else { largest });
        if square == T::ZERO && largest == T::ZERO {
            return T::ZERO;
        }
        if largest.finite() && square >= T::ZERO {
            scale = if largest < head.magnitude() { head.magnitude() } else { largest };
            tail.iter_mut().for_each(|x| *x /= scale);
            square = dot(simd, tail, tail);
        }
    }
    let alpha = *head / scale;
    let norm = (alpha * alpha + square).root();
    let beta = if alpha < T::ZERO { norm } else { -norm };
    let distance = alpha - beta;
    tail.iter_mut().for_each(|x| *x /= distance);
    *head = beta * scale;
    (beta - alpha) / beta
}

/// `sum x_i y_i`, in lanes, which are added up in order at the end.
#[inline(always)]
pub(super) fn dot<S: Simd, T: Real>(simd: S, x: &[T], y: &[T]) -> T {
    let ((x, x_rest), (y, y_rest)) = (T::vectors(simd, x), T::vectors(simd, y));
    let zero = Lanes::splat(simd, T::ZERO);
    let mut sums = [zero; 4];
    for (x, y) in x.chunks(4).zip(y.chunks(4)) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = *sum + Lanes::new(simd, x) * Lanes::new(simd, y);
        }
    }
    let sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    let whole = sum.each().iter().fold(T::ZERO, |whole, &x| whole + x);
    x_rest.iter().zip(y_rest).fold(whole, |sum, (&x, &y)| sum + x * y)
}

struct Gram<'a, T> {
    v: MatRef<'a, T>,
    tau: &'a [T],
    s: MatMut<'a, T>,
}

impl<T: Real> WithSimd for Gram<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Gram { v, tau, mut s } = self;
        let tail = |j: usize| {
            &v.col(j).try_as_col_major().expect("the vectors are column-major").as_slice()[j + 1..]
        };
        for j in 0..tau.len() {
            s[(j, j)] = T::ONE / tau[j];
            for i in 0..j {
                // The one of v_j meets element j of v_i.
                s[(i, j)] = v[(j, i)] + dot(simd, &tail(i)[j - i..], tail(j));
            }
        }
    }
}

/// [`reflect`] for row-major m x n matrices side by side.
#[inline(always)]
pub(super) fn reflect_lanes<S: Simd, T: Real>(
    simd: S,
    [m, n]: [usize; 2],
    a: &mut [Lanes<S, T>],
    tau: &mut [Lanes<S, T>],
) {
    for (k, tau) in tau.iter_mut().enumerate() {
        *tau = reflect_column_lanes(simd, [m, n], k, a);
    }
}

/// The reflection of column k, from row k on: it and the columns to its right change. Its tau.
#[inline(always)]
pub(super) fn reflect_column_lanes<S: Simd, T: Real>(
    simd: S,
    [m, n]: [usize; 2],
    k: usize,
    a: &mut [Lanes<S, T>],
) -> Lanes<S, T> {
    let mut v: Vec<_> = (k + 1..m).map(|i| a[i * n + k]).collect();
    let (beta, tau) = reflection_lanes(simd, a[k * n + k], &mut v);
    a[k * n + k] = beta;
    (k + 1..m).zip(&v).for_each(|(i, &x)| a[i * n + k] = x);
    apply_lanes(simd, &v, tau, k, n, k + 1, a);
    tau
}

/// [`reflection`] side by side: makes the tail into that of v, and gives beta and tau.
#[inline(always)]
pub(super) fn reflection_lanes<S: Simd, T: Real>(
    simd: S,
    head: Lanes<S, T>,
    tail: &mut [Lanes<S, T>],
) -> (Lanes<S, T>, Lanes<S, T>) {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let largest = tail.iter().fold(zero, |largest, x| {
        let x = x.abs();
        largest.where_less(x, x, largest)
    });
    // A tail of zeros is left as it is: its reflection is the identity.
    let is_zero = |then, otherwise| zero.where_less(largest, otherwise, then);
    let scale = largest.where_less(head.abs(), head.abs(), largest);
    let scale = is_zero(one, scale);
    let alpha = head / scale;
    let mut square = alpha * alpha;
    for x in tail.iter_mut() {
        *x = *x / scale;
        square = square + *x * *x;
    }
    let norm = square.root();
    let beta = alpha.where_less(zero, norm, zero - norm);
    let distance = is_zero(one, alpha - beta);
    let tau = is_zero(zero, (beta - alpha) / beta);
    tail.iter_mut().for_each(|x| *x = *x / distance);
    (is_zero(head, beta * scale), tau)
}

/// One reflection, whose vector has `v` below row k, applied to the columns of `c`, of n columns each row, from column `first` on.
#[inline(always)]
pub(super) fn apply_lanes<S: Simd, T: Real>(
    simd: S,
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
    k: usize,
    n: usize,
    first: usize,
    c: &mut [Lanes<S, T>],
) {
    // Columns that are changed together, so that each element of v is loaded once for all of them.
    let mut j = first;
    for size in [8, 4, 2, 1] {
        while j + size <= n {
            match size {
                8 => apply_columns::<S, T, 8>(simd, v, tau, k, n, j, c),
                4 => apply_columns::<S, T, 4>(simd, v, tau, k, n, j, c),
                2 => apply_columns::<S, T, 2>(simd, v, tau, k, n, j, c),
                _ => apply_columns::<S, T, 1>(simd, v, tau, k, n, j, c),
            }
            j += size;
        }
    }
}

#[inline(always)]
fn apply_columns<S: Simd, T: Real, const C: usize>(
    simd: S,
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
    k: usize,
    n: usize,
    j: usize,
    c: &mut [Lanes<S, T>],
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let (head, below) = c[k * n..].split_at_mut(n);
    let head = &mut head[j..j + C];
    let mut factors = [zero; C];
    for r in 0..C {
        factors[r] = zero - head[r];
    }
    for (&v, row) in v.iter().zip(below.chunks_exact(n)) {
        let row = &row[j..j + C];
        for r in 0..C {
            factors[r] = factors[r].minus_product(v, row[r]);
        }
    }
    for r in 0..C {
        factors[r] = tau * (zero - factors[r]);
        head[r] = head[r] - factors[r];
    }
    for (&v, row) in v.iter().zip(below.chunks_exact_mut(n)) {
        let row = &mut row[j..j + C];
        for r in 0..C {
            row[r] = row[r].minus_product(v, factors[r]);
        }
    }
}
