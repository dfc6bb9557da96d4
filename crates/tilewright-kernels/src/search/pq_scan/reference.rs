//! The truth: every sum in f64, sorted.

use crate::search::flat_scan_topk::reference::True;

/// A row's distance: what its probe and itself add, and the entries that its code names.
pub(super) fn distance(base: f64, bias: f64, tables: &[f64], words: usize, code: &[usize], id: i64) -> True {
    let mut row = True { distance: base + bias, magnitude: base.abs() + bias.abs(), id };
    for (table, &word) in tables.chunks(words).zip(code) {
        row.distance += table[word];
        row.magnitude += table[word].abs();
    }
    row
}
