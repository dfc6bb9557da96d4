//! The truth: a loop over each row.

/// The position of the first NaN, or else of the first of the largest.
pub(super) fn argmax(rows: &[Vec<f64>]) -> Vec<usize> {
    rows.iter().map(|row| row.iter().position(|x| x.is_nan()).unwrap_or_else(|| largest(row))).collect()
}

fn largest(row: &[f64]) -> usize {
    let mut best = 0;
    for j in 1..row.len() {
        if row[j] > row[best] {
            best = j;
        }
    }
    best
}
