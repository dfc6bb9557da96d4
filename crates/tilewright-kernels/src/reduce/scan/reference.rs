//! The truth, in f64 with Neumaier's correction, and the magnitude of each sum.

use super::Scan;

/// For each element the running sum, and the sum of the absolute values in it.
pub(super) fn scan(rows: &[Vec<f64>], args: &Scan) -> Vec<Vec<(f64, f64)>> {
    rows.iter()
        .map(|row| {
            let mut order: Vec<usize> = (0..row.len()).collect();
            if args.reverse {
                order.reverse();
            }
            let mut out = vec![(0.0, 0.0); row.len()];
            let (mut s, mut c, mut magnitude) = (0.0f64, 0.0f64, 0.0f64);
            for j in order {
                let before = (sum(s, c), magnitude);
                let t = s + row[j];
                c += if s.abs() >= row[j].abs() { (s - t) + row[j] } else { (row[j] - t) + s };
                s = t;
                magnitude += row[j].abs();
                out[j] = if args.exclusive { before } else { (sum(s, c), magnitude) };
            }
            out
        })
        .collect()
}

fn sum(s: f64, c: f64) -> f64 {
    if s.is_finite() { s + c } else { s }
}
