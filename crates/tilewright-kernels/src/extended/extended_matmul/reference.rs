//! The truth.

use crate::extended::evidence::{Terms, products};

/// The terms of element `e`: the products of both parts of both operands, which an exact sum adds up.
pub(super) fn extended_matmul(operands: &[[Vec<f64>; 2]], [m, k, n]: [usize; 3], e: usize) -> Terms {
    let (item, i, j) = (e / (m * n), e / n % m, e % n);
    let product =
        |l: usize| products(&operands[0], (item * m + i) * k + l, &operands[1], (item * k + l) * n + j);
    (0..k).flat_map(product).collect()
}
