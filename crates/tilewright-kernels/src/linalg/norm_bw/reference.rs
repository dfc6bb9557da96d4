//! The truth.

use super::super::differences::{Truth, gradient};
use super::super::norm::{matrix, vector};
use super::super::ratios::Matrix;
use super::super::svd::singular_values;
use super::super::{Norm, Order};

/// The norms of a matrix along the axes that the arguments name, -1, -2 or both.
fn norms(a: &Matrix, args: &Norm) -> Vec<f64> {
    let rows = |a: &Matrix| {
        let p = if let Some(Order::P(p)) = args.order { p } else { 2.0 };
        (0..a.m).map(|i| vector(&a.values[i * a.n..][..a.n], p)).collect()
    };
    match args.axes.as_deref() {
        Some([-1]) => rows(a),
        Some([-2]) => rows(&a.transposed()),
        _ => vec![matrix(a, args.order.unwrap_or(Order::Frobenius))],
    }
}

/// Of the loss that weighs the norms by `dy`.
pub(super) fn norm_bw(a: &Matrix, dy: &Matrix, args: &Norm) -> Truth {
    let da = gradient(a, |a| norms(a, args).iter().zip(&dy.values).map(|(norm, dy)| norm * dy).sum());
    // Vectors of singular values are known as well as these lie apart.
    let apart = match (args.order, args.axes.as_deref()) {
        (Some(Order::Nuclear | Order::P(2.0 | -2.0)), None | Some([_, _])) => {
            let s = singular_values(a);
            let gaps = s.windows(2).map(|pair| pair[0] - pair[1]).chain(s.last().copied());
            s[0] / gaps.fold(s[0], f64::min)
        }
        _ => 1.0,
    };
    let size = 8.0 * da.largest() * apart;
    (da, size)
}
