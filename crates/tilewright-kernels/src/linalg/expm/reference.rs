//! The truth: Taylor's series of the matrix over a power of two, squared.

use super::super::differences::{Truth, size};
use super::super::ratios::Matrix;

/// The exponential, and the size that errors are relative to.
pub(super) fn expm(a: &Matrix) -> Truth {
    let halvings = (size(a).log2().ceil() + 4.0).max(0.0);
    let small = a.scaled((-halvings).exp2());
    let plus = |x: &Matrix, y: &Matrix| x.minus(&y.scaled(-1.0));
    let (mut sum, mut term) = (Matrix::identity(a.n), Matrix::identity(a.n));
    for k in 1..20 {
        term = term.times(&small).scaled(1.0 / f64::from(k));
        sum = plus(&sum, &term);
    }
    for _ in 0..halvings as usize {
        sum = sum.times(&sum);
    }
    let unit = size(&sum) * (1.0 + size(a));
    (sum, unit)
}
