//! The truth.

/// The rows of `table`, of `d` elements each, that `ids` name.
pub(super) fn embedding(table: &[f64], d: usize, ids: &[i64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(ids.len() * d);
    for &id in ids {
        for j in 0..d {
            out.push(table[id as usize * d + j]);
        }
    }
    out
}
