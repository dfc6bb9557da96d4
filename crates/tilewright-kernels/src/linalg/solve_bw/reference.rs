//! The truth.

use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// Of the systems that have the solutions `x`: by a and by b.
pub(super) fn solve_bw(a: &Matrix, x: &Matrix, dx: &Matrix) -> Vec<Truth> {
    let b = a.times(x);
    let da = gradient(a, |a| weighed(&inverse(a).times(&b), dx));
    let db = gradient(&b, |b| weighed(&inverse(a).times(b), dx));
    let far = size(&inverse(a));
    let own = far * far * size(a) * size(dx);
    vec![(da, own * size(x)), (db, own)]
}
