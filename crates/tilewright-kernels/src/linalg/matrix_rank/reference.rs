//! The truth: how many singular values are clearly more than nothing.

use super::super::ratios::Matrix;
use super::super::svd::singular_values;

/// The rank with a relative tolerance, -1 where a number is none.
pub(super) fn rank(a: &Matrix, rcond: f64) -> i32 {
    if a.values.iter().any(|x| !x.is_finite()) {
        return -1;
    }
    let s = singular_values(a);
    s.iter().filter(|&&x| x > rcond * s[0]).count() as i32
}
