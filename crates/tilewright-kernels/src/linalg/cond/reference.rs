//! The truth: singular values, and the inverse.

use super::super::differences::inverse;
use super::super::norm::matrix;
use super::super::ratios::Matrix;
use super::super::svd::singular_values;
use super::Order;

/// The condition number; infinite where a pivot is zero.
pub(super) fn cond(a: &Matrix, order: Order) -> f64 {
    if a.values.iter().any(|x| !x.is_finite()) {
        return f64::NAN;
    }
    if let Order::P(p) = order
        && p.abs() == 2.0
    {
        let s = singular_values(a);
        let ratio = s[s.len() - 1] / s[0].max(f64::MIN_POSITIVE);
        return if p > 0.0 { 1.0 / ratio } else { ratio };
    }
    let inverse = inverse(a);
    let regular = inverse.values.iter().all(|x| x.is_finite());
    if regular { matrix(a, order) * matrix(&inverse, order) } else { f64::INFINITY }
}
