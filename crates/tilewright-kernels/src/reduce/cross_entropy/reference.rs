//! The truth: three loops over each row.

/// A row's loss, or NaN, with what rounding the differences costs.
pub(super) struct Truth {
    pub(super) value: f64,
    /// The logarithm of the sum.
    pub(super) log: f64,
    /// The largest less the target.
    pub(super) distance: f64,
    /// The mean of max - x under the softmax: by so many roundings the sum may move, relatively.
    pub(super) spread: f64,
}

pub(super) fn cross_entropy(row: &[f64], target: i64) -> Truth {
    if target < 0 {
        return Truth { value: 0.0, log: 0.0, distance: 0.0, spread: 0.0 };
    }
    let max = row.iter().fold(f64::NEG_INFINITY, |max, &x| if x > max { x } else { max });
    if max.is_infinite() || row.iter().any(|x| x.is_nan()) {
        return Truth { value: f64::NAN, log: 0.0, distance: 0.0, spread: 0.0 };
    }
    let sum: f64 = row.iter().map(|x| (x - max).exp()).sum();
    let finite = row.iter().filter(|x| x.is_finite());
    let spread = finite.map(|x| (x - max).exp() * (max - x)).sum::<f64>() / sum;
    let distance = max - row[target as usize];
    Truth { value: sum.ln() + distance, log: sum.ln(), distance, spread }
}
