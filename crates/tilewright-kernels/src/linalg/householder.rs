//! Householder's reflections on the host: `h = 1 - tau v vᵀ` with `v = (1, tail)`, so that `h x = (beta, 0)`.
//!
//! Blocks of them are applied at once: `h_1 .. h_k = 1 - v s⁻¹ vᵀ`, where s is upper triangular, `vᵀ v` above its diagonal and `1 / tau` on it
//! (Puglisi's form of the compact WY representation). A reflection that is the identity has tau = 0; faer, which applies the blocks, takes
//! its infinite `1 / tau` for what it means.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder as blocks;
use faer::{Conj, Mat, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

use super::host::{Real, parts};
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
    // Columns have nothing to do with each other, but few of them are not worth another pass over the vectors.
    let parts = parts(par, 2 * v.nrows() * size * c.ncols()).min(c.ncols().div_ceil(8));
    apply_block(v, s.as_ref(), transpose, c, parts);
}

fn apply_block<T: Real>(v: MatRef<'_, T>, s: MatRef<'_, T>, transpose: bool, c: MatMut<'_, T>, parts: usize) {
    if parts > 1 {
        let few = parts / 2;
        let columns = c.ncols() * few / parts;
        let (first, second) = c.split_at_col_mut(columns);
        rayon::join(
            move || apply_block(v, s, transpose, first, few),
            move || apply_block(v, s, transpose, second, parts - few),
        );
        return;
    }
    let memory =
        blocks::apply_block_householder_on_the_left_in_place_scratch::<T>(v.nrows(), s.nrows(), c.ncols());
    let mut memory = MemBuffer::new(memory);
    let stack = MemStack::new(&mut memory);
    if transpose {
        blocks::apply_block_householder_transpose_on_the_left_in_place_with_conj(
            v,
            s,
            Conj::No,
            c,
            Par::Seq,
            stack,
        );
    } else {
        blocks::apply_block_householder_on_the_left_in_place_with_conj(v, s, Conj::No, c, Par::Seq, stack);
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

/// [`reflect`] for column-major matrices of m rows side by side.
#[inline(always)]
pub(super) fn reflect_lanes<S: Simd, T: Real>(
    simd: S,
    m: usize,
    a: &mut [Lanes<S, T>],
    tau: &mut [Lanes<S, T>],
) {
    for (k, tau) in tau.iter_mut().enumerate() {
        *tau = reflect_column_lanes(simd, m, k, a);
    }
}

/// The reflection of column k, from row k on: it and the columns to its right change. Its tau.
#[inline(always)]
pub(super) fn reflect_column_lanes<S: Simd, T: Real>(
    simd: S,
    m: usize,
    k: usize,
    a: &mut [Lanes<S, T>],
) -> Lanes<S, T> {
    let (done, rest) = a.split_at_mut((k + 1) * m);
    let (head, tail) = done[k * m + k..].split_first_mut().expect("reflections are rows");
    let tau;
    (*head, tau) = reflection_lanes(simd, *head, tail);
    apply_lanes(simd, tail, tau, k, m, rest);
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
    let least = Lanes::splat(simd, *T::SAFE_SQUARES.start());
    let most = Lanes::splat(simd, *T::SAFE_SQUARES.end());
    let mut square = square_lanes(simd, tail);
    // 1 where no square left the range, which is what a lane does alone, whatever the others need.
    let whole = square + head * head;
    let safe = square.where_less(least, zero, whole.where_less(most, one, zero));
    let (mut scale, mut nothing) = (one, zero);
    if safe.each().contains(&T::ZERO) {
        let mut largest = zero;
        for x in &*tail {
            let x = x.abs();
            largest = largest.where_less(x, x, largest);
        }
        // A tail of zeros is left as it is: its reflection is the identity.
        nothing = zero.where_less(largest, zero, one);
        let larger = largest.where_less(head.abs(), head.abs(), largest);
        scale = safe.where_equal(one, one, nothing.where_equal(one, one, larger));
        for x in tail.iter_mut() {
            *x = *x / scale;
        }
        square = square_lanes(simd, tail);
    }
    let is_nothing = |then, otherwise| nothing.where_equal(one, then, otherwise);
    let alpha = head / scale;
    let norm = (alpha * alpha + square).root();
    let beta = alpha.where_less(zero, norm, zero - norm);
    let distance = is_nothing(one, alpha - beta);
    let tau = is_nothing(zero, (beta - alpha) / beta);
    // The distance is a number of the safe range, or between 1 and 3: it has an inverse.
    let over = one / distance;
    for x in tail.iter_mut() {
        *x = *x * over;
    }
    (is_nothing(head, beta * scale), tau)
}

#[inline(always)]
fn square_lanes<S: Simd, T: Real>(simd: S, x: &[Lanes<S, T>]) -> Lanes<S, T> {
    let mut sums = [Lanes::splat(simd, T::ZERO); 4];
    let mut fours = x.chunks_exact(4);
    for x in &mut fours {
        for i in 0..4 {
            sums[i] = sums[i].minus_product(x[i], x[i]);
        }
    }
    for &x in fours.remainder() {
        sums[0] = sums[0].minus_product(x, x);
    }
    // The sums were of the negative.
    Lanes::splat(simd, T::ZERO) - ((sums[0] + sums[1]) + (sums[2] + sums[3]))
}

/// One reflection, whose vector has `v` below row k, applied to column-major columns of m.
#[inline(always)]
pub(super) fn apply_lanes<S: Simd, T: Real>(
    simd: S,
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
    k: usize,
    m: usize,
    mut columns: &mut [Lanes<S, T>],
) {
    // Columns that are changed together, so that each element of v is loaded once for all of them.
    for size in [8, 4, 2, 1] {
        while columns.len() >= size * m {
            let (now, later) = columns.split_at_mut(size * m);
            match size {
                8 => apply_columns::<S, T, 8>(simd, v, tau, k, m, now),
                4 => apply_columns::<S, T, 4>(simd, v, tau, k, m, now),
                2 => apply_columns::<S, T, 2>(simd, v, tau, k, m, now),
                _ => apply_columns::<S, T, 1>(simd, v, tau, k, m, now),
            }
            columns = later;
        }
    }
}

#[inline(always)]
fn apply_columns<S: Simd, T: Real, const C: usize>(
    simd: S,
    v: &[Lanes<S, T>],
    tau: Lanes<S, T>,
    k: usize,
    m: usize,
    columns: &mut [Lanes<S, T>],
) {
    let zero = Lanes::splat(simd, T::ZERO);
    let size = v.len();
    let mut columns = columns.chunks_exact_mut(m);
    let columns: [&mut [Lanes<S, T>]; C] =
        std::array::from_fn(|_| &mut columns.next().expect("there are C columns")[k..][..size + 1]);
    let mut factors = [zero; C];
    for c in 0..C {
        factors[c] = zero - columns[c][0];
    }
    for i in 0..size {
        for c in 0..C {
            factors[c] = factors[c].minus_product(v[i], columns[c][i + 1]);
        }
    }
    for c in 0..C {
        factors[c] = tau * (zero - factors[c]);
        columns[c][0] = columns[c][0] - factors[c];
    }
    for i in 0..size {
        for c in 0..C {
            columns[c][i + 1] = columns[c][i + 1].minus_product(v[i], factors[c]);
        }
    }
}
