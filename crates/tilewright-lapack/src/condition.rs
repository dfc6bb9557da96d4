//! Condition numbers, by an estimate of the norm of an inverse that is not formed.

use faer::{Mat, MatMut};

use crate::arguments::letter;
use crate::call::Outcome;
use crate::memory::Array;
use crate::real::Real;

/// NORM: whether it is the infinity norm, and not the 1-norm.
pub(crate) fn kind(norm: u8, position: i64) -> Outcome<bool> {
    Ok(letter(norm, b"1OI", position)? == b'I')
}

/// `1 / (norm |a⁻¹|)` in the 1-norm; `work`, of 2 n elements, gets the vector that shows it in its second half. `solve(turn, x)` makes x into `a⁻¹ x`, or `a⁻ᵀ x`. The infinity norm is that of the transpose.
pub(crate) fn reciprocal<T: Real>(
    n: usize,
    norm: T,
    singular: bool,
    mut work: Array<T>,
    solve: impl FnMut(bool, MatMut<'_, T>),
) -> T {
    if n == 0 {
        return T::ONE;
    }
    if singular || norm == T::ZERO {
        return T::ZERO;
    }
    let (inverse, steepest) = inverse_norm(n, solve);
    // LAPACK's own TGSYL reads the vector here.
    work.matrix_mut([2 * n, 1], 2 * n).get_mut(n.., ..).copy_from(steepest.as_ref());
    // A norm that overflows is that of a matrix that is singular to every purpose.
    if inverse.nan() { T::ZERO } else { T::ONE / inverse / norm }
}

fn size<T: Real>(x: &Mat<T>) -> T {
    x.col(0).iter().fold(T::ZERO, |sum, x| sum + x.magnitude())
}

/// A lower bound of the 1-norm of an inverse, almost always within a factor of 3 of it: Higham's refinement of Hager's method (ACM Transactions
/// on Mathematical Software 14, 1988, algorithm 4.1). It climbs over the corners of the unit ball, on which the norm is convex.
fn inverse_norm<T: Real>(n: usize, mut solve: impl FnMut(bool, MatMut<'_, T>)) -> (T, Mat<T>) {
    // Steps that LAPACK makes at most.
    const STEPS: usize = 5;
    let mut x = Mat::from_fn(n, 1, |_, _| T::ONE / T::from_count(n));
    solve(false, x.as_mut());
    if n == 1 {
        return (x[(0, 0)].magnitude(), x);
    }
    let mut bound = size(&x);
    let mut longest = x.clone();
    let mut signs: Vec<T> = x.col(0).iter().map(|x| x.sign()).collect();
    let mut corner = None;
    for _ in 1..STEPS {
        x = Mat::from_fn(n, 1, |i, _| signs[i]);
        solve(true, x.as_mut());
        let steepest =
            (1..n).fold(0, |most, i| if x[(i, 0)].magnitude() > x[(most, 0)].magnitude() { i } else { most });
        if corner.is_some_and(|corner: usize| x[(corner, 0)].magnitude() == x[(steepest, 0)].magnitude()) {
            break;
        }
        corner = Some(steepest);
        x = Mat::from_fn(n, 1, |i, _| if i == steepest { T::ONE } else { T::ZERO });
        solve(false, x.as_mut());
        let before = bound;
        bound = size(&x);
        let next: Vec<T> = x.col(0).iter().map(|x| x.sign()).collect();
        if next == signs || bound <= before {
            if before > bound {
                bound = before;
            } else {
                longest = x;
            }
            break;
        }
        longest = x.clone();
        signs = next;
    }
    // What counterexamples to the climb cannot hide from.
    let spread = |i: usize| T::ONE + T::from_count(i) / T::from_count(n - 1);
    x = Mat::from_fn(n, 1, |i, _| if i % 2 == 0 { spread(i) } else { -spread(i) });
    solve(false, x.as_mut());
    let other = size(&x) * T::from_count(2) / T::from_count(3 * n);
    if other > bound || other.nan() { (other, x) } else { (bound, longest) }
}
