//! One-sided Jacobi rotations on the host, of matrices side by side in vector lanes.
//!
//! Columns of g are turned in pairs until all are orthogonal: then `g = u s`, and what turned them is v. A pair is orthogonal when its cosine is
//! within rounding of zero, whatever the columns' lengths, so that short columns are as orthogonal as long ones. The longer column of a pair
//! comes first (de Rijk), which makes a triangular g converge in 5 to 12 sweeps.

use pulp::Simd;

use super::host::Real;
use super::lanes::Lanes;

/// Sweeps after which a matrix counts as one that does not converge; hard ones take less than half as many.
pub(super) const SWEEPS: u32 = 40;

/// The largest absolute values, NaN where one is NaN or infinite.
#[inline(always)]
pub(super) fn largest<S: Simd, T: Real>(simd: S, x: &[Lanes<S, T>]) -> Lanes<S, T> {
    let zero = Lanes::splat(simd, T::ZERO);
    let (mut largest, mut sum) = (zero, zero);
    for &x in x {
        let size = x.abs();
        largest = largest.where_less(size, size, largest);
        // 0 times a number is 0, but NaN times infinity and NaN.
        sum = sum.minus_product(size, zero);
    }
    largest + sum
}

/// Turns the columns of n x n matrices `g`, column-major, until they are orthogonal; `v` turns along. The squares of their lengths, and in
/// which lanes all are orthogonal: 1 there, 0 elsewhere.
#[inline(always)]
pub(super) fn orthogonalize<S: Simd, T: Real>(
    simd: S,
    n: usize,
    g: &mut [Lanes<S, T>],
    mut v: Option<&mut [Lanes<S, T>]>,
) -> (Vec<Lanes<S, T>>, Lanes<S, T>) {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let mut squares = vec![zero; n];
    let mut converged = zero;
    for _ in 0..SWEEPS {
        for (square, column) in squares.iter_mut().zip(g.chunks_exact(n)) {
            *square = zero - column.iter().fold(zero, |sum, &x| sum.minus_product(x, x));
        }
        let mut turned = zero;
        for p in 0..n {
            for q in p + 1..n {
                let (first, second) = pair(g, n, p, q);
                if let Some(turn) = angle(simd, n, first, second, &mut squares, [p, q]) {
                    turned = turned.where_less(turn.any, turn.any, turned);
                    turn.apply(first, second);
                    if let Some(v) = v.as_deref_mut() {
                        let (first, second) = pair(v, n, p, q);
                        turn.apply(first, second);
                    }
                }
            }
        }
        // A lane with numbers that are none never turns, and is no result.
        converged = turned.where_equal(zero, one, zero);
        if converged.each().iter().all(|&one| one == T::ONE) {
            break;
        }
    }
    for (square, column) in squares.iter_mut().zip(g.chunks_exact(n)) {
        *square = zero - column.iter().fold(zero, |sum, &x| sum.minus_product(x, x));
    }
    (squares, converged)
}

/// Columns p < q.
#[inline(always)]
fn pair<L>(a: &mut [L], n: usize, p: usize, q: usize) -> (&mut [L], &mut [L]) {
    let (before, from) = a.split_at_mut(q * n);
    (&mut before[p * n..(p + 1) * n], &mut from[..n])
}

/// `x' = keep x + take y`, `y' = keep y - take x`.
struct Turn<S: Simd, T: Real> {
    keep: Lanes<S, T>,
    take: Lanes<S, T>,
    minus_take: Lanes<S, T>,
    /// 1 in lanes whose columns were not orthogonal.
    any: Lanes<S, T>,
}

impl<S: Simd, T: Real> Turn<S, T> {
    #[inline(always)]
    fn apply(&self, first: &mut [Lanes<S, T>], second: &mut [Lanes<S, T>]) {
        for (x, y) in first.iter_mut().zip(second) {
            let (a, b) = (*x, *y);
            *x = (self.keep * a).minus_product(self.minus_take, b);
            *y = (self.keep * b).minus_product(self.take, a);
        }
    }
}

/// How two columns are turned, and their squares afterwards; `None` if they are orthogonal and in order in all lanes.
#[inline(always)]
fn angle<S: Simd, T: Real>(
    simd: S,
    n: usize,
    first: &[Lanes<S, T>],
    second: &[Lanes<S, T>],
    squares: &mut [Lanes<S, T>],
    [p, q]: [usize; 2],
) -> Option<Turn<S, T>> {
    let (zero, one) = (Lanes::splat(simd, T::ZERO), Lanes::splat(simd, T::ONE));
    let (a, b) = (squares[p], squares[q]);
    // Four sums, as one would wait for itself.
    let mut sums = [zero; 4];
    for (x, y) in first.chunks(4).zip(second.chunks(4)) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum = sum.minus_product(x, y);
        }
    }
    let product = zero - ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    // Half of what a sum of n rounded products may be off by: less would turn roundings, more would leave them in clusters of values.
    let tolerance = Lanes::splat(simd, T::EPSILON * T::from_count(n).root() / T::from_count(2));
    let nothing = Lanes::splat(simd, T::NOTHING);
    let bound = tolerance * a.root() * b.root();
    let any = bound.where_less(product.abs(), one, zero);
    let any = nothing.where_less(a, any, zero);
    let any = nothing.where_less(b, any, zero);
    let order = a.where_less(b, one, zero);
    if any.each().iter().chain(order.each()).all(|&x| x == T::ZERO) {
        return None;
    }
    // A lane that does not turn divides by 1.
    let twice = any.where_equal(one, product + product, one);
    let cotangent = (b - a) / twice;
    // The square of a large one overflows, beside which the 1 is nothing: a column of roundings would be turned by nothing, for ever.
    let (size, large) = (cotangent.abs(), Lanes::splat(simd, T::LARGE));
    let root = large.where_less(size, size, one.minus_product(zero - size, size).root());
    let tangent = one / (size + root);
    let tangent = cotangent.where_less(zero, zero - tangent, tangent);
    let tangent = any.where_equal(one, tangent, zero);
    let c = one / one.minus_product(zero - tangent, tangent).root();
    let s = c * tangent;
    let change = any.where_equal(one, tangent * product, zero);
    let (smaller, larger) = (a - change, b + change);
    let exchange = |yes, no| smaller.where_less(larger, yes, no);
    squares[p] = exchange(larger, smaller);
    squares[q] = exchange(smaller, larger);
    let (keep, take) = (exchange(s, c), exchange(c, zero - s));
    Some(Turn { keep, take, minus_take: zero - take, any })
}

/// Makes rows `known..` of n x n row-major `rows`, the others of which are orthonormal, so too.
pub(super) fn complete<T: Real>(rows: &mut [T], n: usize, known: usize) {
    for z in known..n {
        let (before, row) = rows.split_at_mut(z * n);
        let row = &mut row[..n];
        // Of the unit vectors, that of which least lies in the space of the rows before: at most z / n of its square.
        let share =
            |i: usize| before.iter().skip(i).step_by(n).fold(T::ZERO, |sum, &x| sum.minus_product(-x, x));
        let unit = (1..n).fold((0, share(0)), |least, i| {
            let share = share(i);
            if share < least.1 { (i, share) } else { least }
        });
        row.fill(T::ZERO);
        row[unit.0] = T::ONE;
        // Twice, as what is left may be short.
        for _ in 0..2 {
            for other in before.chunks_exact(n) {
                let product = other.iter().zip(&*row).fold(T::ZERO, |sum, (&x, &y)| sum.minus_product(-x, y));
                row.iter_mut().zip(other).for_each(|(x, &y)| *x = x.minus_product(product, y));
            }
        }
        let norm = row.iter().fold(T::ZERO, |sum, &x| sum.minus_product(-x, x)).root();
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_basis_is_completed_to_rounding() {
        for (n, known) in [(1, 0), (5, 0), (7, 3), (6, 6), (33, 32)] {
            // Rows of a reflection, which is orthogonal.
            let v: Vec<f64> = (0..n).map(|i| ((i * i + 1) as f64).sin()).collect();
            let square: f64 = v.iter().map(|x| x * x).sum();
            let element = |e: usize| f64::from(u8::from(e / n == e % n)) - 2.0 * v[e / n] * v[e % n] / square;
            let mut rows: Vec<f64> = (0..n * n).map(element).collect();
            rows[known * n..].fill(f64::NAN);
            complete(&mut rows, n, known);
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|l| rows[i * n + l] * rows[j * n + l]).sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-14, "{n} {known} {i} {j}");
                }
            }
        }
    }
}
