//! The truth: each entry in f64, and the sum of its absolute terms.

use crate::search::Metric;

/// The distance of a query's part from a word.
pub(super) fn entry(metric: Metric, query: &[f64], word: &[f64]) -> (f64, f64) {
    let (mut value, mut magnitude) = (0.0, 0.0);
    for (q, w) in query.iter().zip(word) {
        let term = if metric == Metric::L2 { (q - w) * (q - w) } else { -q * w };
        value += term;
        magnitude += term.abs();
    }
    (value, magnitude)
}
