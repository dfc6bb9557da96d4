//! The truth, in f64 with Neumaier's correction, and the magnitude of each sum.

/// For each row its sum and the sum of the absolute values.
pub(super) fn sum(rows: &[Vec<f64>]) -> Vec<(f64, f64)> {
    rows.iter().map(|row| (neumaier(row), row.iter().map(|x| x.abs()).sum())).collect()
}

fn neumaier(row: &[f64]) -> f64 {
    let (mut s, mut c) = (0.0f64, 0.0f64);
    for &x in row {
        let t = s + x;
        c += if s.abs() >= x.abs() { (s - t) + x } else { (x - t) + s };
        s = t;
    }
    if s.is_finite() { s + c } else { s }
}
