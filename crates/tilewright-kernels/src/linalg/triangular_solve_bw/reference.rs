//! The truth.

use super::super::TriangularSolve;
use super::super::differences::{Truth, gradient, inverse, size, weighed};
use super::super::ratios::Matrix;

/// op(a), of which one triangle is read.
fn operand(a: &Matrix, args: &TriangularSolve) -> Matrix {
    let triangle = Matrix::new(a.n, a.n, |i, j| match (i == j, (i > j) != args.upper) {
        (true, _) if args.unit_diagonal => 1.0,
        (true, _) | (_, true) => a.at(i, j),
        _ => 0.0,
    });
    if args.transpose { triangle.transposed() } else { triangle }
}

/// Of the systems that have the solutions `x`: by a and by b.
pub(super) fn triangular_solve_bw(a: &Matrix, x: &Matrix, dx: &Matrix, args: &TriangularSolve) -> Vec<Truth> {
    let solved = |a: &Matrix, b: &Matrix| {
        let inverse = inverse(&operand(a, args));
        if args.right { b.times(&inverse) } else { inverse.times(b) }
    };
    let own = operand(a, args);
    let b = if args.right { x.times(&own) } else { own.times(x) };
    let da = gradient(a, |a| weighed(&solved(a, &b), dx));
    let db = gradient(&b, |b| weighed(&solved(a, b), dx));
    let far = size(&inverse(&own));
    let unit = far * far * size(&own) * size(dx);
    vec![(da, unit * size(x)), (db, unit)]
}
