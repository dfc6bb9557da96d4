//! The truth: every distance of the lists' rows in f64, sorted.

use crate::search::Metric;
use crate::search::flat_scan_topk::reference::{True, nearest};

/// The rows of the lists that a query names, in order. `id` gives the id of a row that counts.
pub(super) fn of_lists(
    metric: Metric,
    k: usize,
    query: &[f64],
    data: &[Vec<f64>],
    offsets: &[u32],
    probes: &[i64],
    id: impl Fn(usize) -> Option<i64>,
) -> Vec<True> {
    let named = probes.iter().filter(|&&list| list >= 0).map(|&list| list as usize);
    let rows = named.flat_map(|list| offsets[list] as usize..offsets[list + 1] as usize);
    let counting = rows.filter_map(|row| Some((id(row)?, &data[row])));
    nearest(metric, k, query, counting)
}
