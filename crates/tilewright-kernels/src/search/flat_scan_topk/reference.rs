//! The truth: every distance in f64, sorted.

use std::cmp::Ordering;

use crate::search::Metric;

/// A row as the truth sees it.
#[derive(Debug, Clone, Copy)]
pub(in crate::search) struct True {
    /// Its distance.
    pub(in crate::search) distance: f64,
    /// The sum of the absolute terms of the distance.
    pub(in crate::search) magnitude: f64,
    pub(in crate::search) id: i64,
}

/// The distance of two vectors, and its magnitude.
pub(in crate::search) fn distance(metric: Metric, q: &[f64], x: &[f64]) -> (f64, f64) {
    let pairs = || q.iter().zip(x);
    let product = || {
        let sums = pairs().map(|(q, x)| (q * x, (q * x).abs()));
        sums.fold((0.0, 0.0), |(dot, absolute), (product, size)| (dot + product, absolute + size))
    };
    match metric {
        Metric::L2 => {
            let squares: f64 = pairs().map(|(q, x)| (q - x) * (q - x)).sum();
            (squares, squares)
        }
        Metric::InnerProduct => {
            let (dot, absolute) = product();
            (-dot, absolute)
        }
        Metric::Cosine => {
            let length = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
            let ((dot, absolute), lengths) = (product(), length(q) * length(x));
            (1.0 - dot / lengths, 1.0 + 4.0 * absolute / lengths)
        }
    }
}

/// By the distance as f32 shows it, then by id; NaN last.
pub(in crate::search) fn order(a: &True, b: &True) -> Ordering {
    let (left, right) = (a.distance as f32, b.distance as f32);
    let by_distance = match (left.is_nan(), right.is_nan()) {
        (false, false) => left.partial_cmp(&right).expect("numbers"),
        (left, right) => left.cmp(&right),
    };
    by_distance.then(a.id.cmp(&b.id))
}

/// The rows that count, in order: the first of them, and more than any rounding moves.
pub(in crate::search) fn nearest(
    metric: Metric,
    k: usize,
    q: &[f64],
    rows: impl Iterator<Item = (i64, impl AsRef<[f64]>)>,
) -> Vec<True> {
    let mut all: Vec<True> = rows
        .map(|(id, x)| {
            let (distance, magnitude) = distance(metric, q, x.as_ref());
            True { distance, magnitude, id }
        })
        .collect();
    let enough = k + 4096;
    if all.len() > enough {
        all.select_nth_unstable_by(enough, order);
        all.truncate(enough);
    }
    all.sort_by(order);
    all
}
