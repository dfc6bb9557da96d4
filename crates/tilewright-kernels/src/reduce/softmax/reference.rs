//! The truth: three loops over each row.

/// For each element its value, the distance m - x, and the mean of that distance in its row: what rounding differences costs.
pub(super) fn softmax(rows: &[Vec<f64>]) -> Vec<Vec<(f64, f64, f64)>> {
    rows.iter()
        .map(|row| {
            let m = row.iter().fold(f64::NEG_INFINITY, |m, &x| if x > m { x } else { m });
            if m.is_infinite() || row.iter().any(|x| x.is_nan()) {
                return vec![(f64::NAN, 0.0, 0.0); row.len()];
            }
            let sum: f64 = row.iter().map(|x| (x - m).exp()).sum();
            let distance = |x: f64| if x.is_finite() { m - x } else { 0.0 };
            let mean = row.iter().map(|&x| (x - m).exp() * distance(x)).sum::<f64>() / sum;
            row.iter().map(|&x| ((x - m).exp() / sum, distance(x), mean)).collect()
        })
        .collect()
}
