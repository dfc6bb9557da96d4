//! The truth: the same steps in f64, and what they do to errors.

use super::super::ratios::Matrix;
use super::{MUON, NewtonSchulz};

/// The steps' result, by the definition.
pub(super) fn steps(a: &Matrix, method: NewtonSchulz, steps: usize) -> Matrix {
    let size = a.values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut x = if size == 0.0 { a.clone() } else { a.scaled(1.0 / size) };
    for step in 0..steps {
        let [c1, c3, c5] = method.coefficients(step);
        let cube = x.times(&x.transposed()).times(&x);
        let fifth = x.times(&x.transposed()).times(&cube);
        x = Matrix::new(x.m, x.n, |i, j| c1 * x.at(i, j) + c3 * cube.at(i, j) + c5 * fifth.at(i, j));
    }
    x
}

/// What the roundings of all steps may have grown to: each is multiplied by the first coefficient, the slope at 0, of every later step.
pub(super) fn growth(method: NewtonSchulz, steps: usize) -> f64 {
    let slope = |step: usize| method.coefficients(step)[0].max(MUON[0]);
    (0..steps).fold(1.0, |growth, step| growth * slope(step) + 10.0)
}
