//! The truth: three loops over each row.

/// For each element its value; its probability and the distance m - x; and the mean of that distance in its row.
pub(super) fn cross_entropy_bw(row: &[f64], target: i64, dloss: f64) -> Vec<(f64, f64, f64, f64)> {
    if target < 0 {
        return vec![(0.0, 0.0, 0.0, 0.0); row.len()];
    }
    let m = row.iter().fold(f64::NEG_INFINITY, |m, &x| if x > m { x } else { m });
    if m.is_infinite() || row.iter().any(|x| x.is_nan()) {
        return vec![(f64::NAN, 0.0, 0.0, 0.0); row.len()];
    }
    let sum: f64 = row.iter().map(|x| (x - m).exp()).sum();
    let distance = |x: f64| if x.is_finite() { m - x } else { 0.0 };
    let mean = row.iter().map(|&x| (x - m).exp() * distance(x)).sum::<f64>() / sum;
    let one = |(j, &x): (usize, &f64)| {
        let p = (x - m).exp() / sum;
        (dloss * (p - f64::from(u8::from(j as i64 == target))), p, distance(x), mean)
    };
    row.iter().enumerate().map(one).collect()
}
