//! The truth: every named row's distance in f64, sorted.

use crate::search::Metric;
use crate::search::flat_scan_topk::reference::{True, nearest};

/// The rows that a query names, in order. `id` gives the id of a row.
pub(super) fn of_rows(
    metric: Metric,
    k: usize,
    query: &[f64],
    data: &[Vec<f64>],
    rows: &[i64],
    id: impl Fn(usize) -> i64,
) -> Vec<True> {
    let named = rows.iter().filter(|&&row| row >= 0).map(|&row| row as usize);
    nearest(metric, k, query, named.map(|row| (id(row), &data[row])))
}
