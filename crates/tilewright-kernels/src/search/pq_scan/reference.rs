//! The truth: every sum in f64, sorted.

use crate::search::flat_scan_topk::reference::True;

/// A row's distance: what its probe and itself add, and the entries that its code names, times its factor.
pub(super) fn distance(
    [base, bias, factor]: [f64; 3],
    tables: &[f64],
    words: usize,
    code: &[usize],
    id: i64,
) -> True {
    let mut row = True { distance: base + bias, magnitude: base.abs() + bias.abs(), id };
    for (table, &word) in tables.chunks(words).zip(code) {
        row.distance += factor * table[word];
        row.magnitude += (factor * table[word]).abs();
    }
    row
}
