//! Balancing of a general matrix before its eigenvalues are sought, and the way back (LAPACK's GEBAL and GEBAK): exchanges of rows and columns that
//! bring forward the eigenvalues which stand alone, then powers of two that make the norms of each row and column of the rest alike.

use faer::MatMut;

use crate::real::{Real, largest};

/// What was done: `b = s⁻¹ pᵀ a p s`.
pub(crate) struct Balanced<T> {
    /// The block whose rows and columns were scaled, its last one included.
    block: [usize; 2],
    /// Factors of the block, elsewhere 1.
    scale: Vec<T>,
    /// Exchanges in the order in which they were made.
    exchanges: Vec<[usize; 2]>,
}

/// Balances `a`, n x n with n > 0; what is not of numbers is left as it is.
pub(crate) fn balance<T: Real>(mut a: MatMut<'_, T>) -> Balanced<T> {
    let n = a.nrows();
    let mut done = Balanced { block: [0, n - 1], scale: vec![T::ONE; n], exchanges: Vec::new() };
    if !a.as_ref().col_iter().all(|column| column.iter().all(|x| x.finite())) {
        return done;
    }
    let [mut first, mut last] = done.block;
    // Rows with nothing beside the diagonal go to the end.
    while let Some(i) = (0..=last).rev().find(|&i| (0..=last).all(|j| i == j || a[(i, j)] == T::ZERO)) {
        done.exchange(a.as_mut(), [i, last]);
        if last == 0 {
            done.block = [0, 0];
            return done;
        }
        last -= 1;
    }
    // Columns with nothing beside it go to the beginning.
    while let Some(j) = (first..=last).find(|&j| (first..=last).all(|i| i == j || a[(i, j)] == T::ZERO)) {
        done.exchange(a.as_mut(), [j, first]);
        first += 1;
    }
    done.block = [first, last];
    done.scale_block(a);
    done
}

impl<T: Real> Balanced<T> {
    /// Of rows and of columns.
    fn exchange(&mut self, mut a: MatMut<'_, T>, [i, j]: [usize; 2]) {
        if i != j {
            for k in 0..a.nrows() {
                (a[(k, i)], a[(k, j)]) = (a[(k, j)], a[(k, i)]);
            }
            for k in 0..a.nrows() {
                (a[(i, k)], a[(j, k)]) = (a[(j, k)], a[(i, k)]);
            }
            self.exchanges.push([i, j]);
        }
    }

    fn scale_block(&mut self, mut a: MatMut<'_, T>) {
        let (n, [first, last]) = (a.nrows(), self.block);
        let (two, enough) = (T::ONE + T::ONE, T::from_count(95) / T::from_count(100));
        let least = T::SAFE_MINIMUM / (two * T::EPSILON);
        let most = T::ONE / least;
        let (least_twice, most_half) = (least * two, most / two);
        loop {
            let mut changed = false;
            for i in first..=last {
                let mut c = length((first..=last).map(|k| a[(k, i)]));
                let mut r = length((first..=last).map(|k| a[(i, k)]));
                let mut highest = largest((0..=last).map(|k| a[(k, i)].magnitude()));
                let mut widest = largest((first..n).map(|k| a[(i, k)].magnitude()));
                if c == T::ZERO || r == T::ZERO {
                    continue;
                }
                let (before, mut f) = (c + r, T::ONE);
                // Neither the factor nor what it is applied to leaves the range.
                while c < r / two
                    && f < most_half
                    && c < most_half
                    && highest < most_half
                    && r > least_twice
                    && widest > least_twice
                {
                    (f, c, highest) = (f * two, c * two, highest * two);
                    (r, widest) = (r / two, widest / two);
                }
                while c / two >= r
                    && r < most_half
                    && widest < most_half
                    && f > least_twice
                    && c > least_twice
                    && highest > least_twice
                {
                    (f, c, highest) = (f / two, c / two, highest / two);
                    (r, widest) = (r * two, widest * two);
                }
                let so_far = self.scale[i];
                let is_out = (f < T::ONE && so_far < T::ONE && f * so_far <= least)
                    || (f > T::ONE && so_far > T::ONE && so_far >= most / f);
                if f == T::ONE || c + r >= enough * before || is_out {
                    continue;
                }
                changed = true;
                self.scale[i] = so_far * f;
                (first..n).for_each(|k| a[(i, k)] /= f);
                (0..=last).for_each(|k| a[(k, i)] *= f);
            }
            if !changed {
                return;
            }
        }
    }

    /// Makes vectors of the balanced matrix, right or left ones, into those of the matrix, each of length 1. `wi`: imaginary parts of the values;
    /// of a pair the vector's real and imaginary part are two columns, and the longest component becomes real.
    pub(crate) fn undo(&self, columns: &mut [Vec<T>], wi: &[T], left: bool) {
        for column in columns.iter_mut() {
            for (x, &scale) in column.iter_mut().zip(&self.scale) {
                *x = if left { *x / scale } else { *x * scale };
            }
            for &[i, j] in self.exchanges.iter().rev() {
                column.swap(i, j);
            }
        }
        let mut j = 0;
        while j < columns.len() {
            let pair = wi[j] != T::ZERO;
            let (vector, rest) = columns[j..].split_at_mut(1);
            normalize(&mut vector[0], if pair { Some(&mut rest[0]) } else { None });
            j += if pair { 2 } else { 1 };
        }
    }
}

/// Makes x, or x + i y, of length 1, and of the latter the longest component real.
fn normalize<T: Real>(x: &mut [T], y: Option<&mut Vec<T>>) {
    let Some(y) = y else {
        let size = length(x.iter().copied());
        x.iter_mut().for_each(|x| *x /= size);
        return;
    };
    let size = length(x.iter().chain(&*y).copied());
    x.iter_mut().chain(y.iter_mut()).for_each(|x| *x /= size);
    let square = |k: usize| x[k] * x[k] + y[k] * y[k];
    let longest = (1..x.len()).fold(0, |longest, k| if square(k) > square(longest) { k } else { longest });
    let modulus = square(longest).root();
    let (c, s) = (x[longest] / modulus, y[longest] / modulus);
    for (x, y) in x.iter_mut().zip(y.iter_mut()) {
        (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
    }
    y[longest] = T::ZERO;
}

/// The 2-norm, over the largest element, so that no square leaves the range.
fn length<T: Real>(values: impl Iterator<Item = T> + Clone) -> T {
    let size = largest(values.clone().map(Real::magnitude));
    if size == T::ZERO { size } else { size * values.map(|x| (x / size) * (x / size)).sum::<T>().root() }
}
