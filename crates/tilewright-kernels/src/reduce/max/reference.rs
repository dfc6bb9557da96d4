//! The truth: a loop over each row.

/// NaN if an element is, or else the largest.
pub(super) fn max(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter()
        .map(|row| {
            let mut largest = row[0];
            for &x in row {
                if x.is_nan() || x > largest {
                    largest = x;
                }
                if largest.is_nan() {
                    break;
                }
            }
            largest
        })
        .collect()
}
