//! The truth: three loops over each row.

/// For each row the value and what its error is relative to: `sum p_j |x_j - m|`, in units of which the differences' roundings
/// count, is bounded by the first, and the result by the second of the pair beside it.
pub(super) fn logsumexp(rows: &[Vec<f64>]) -> Vec<Truth> {
    rows.iter()
        .map(|row| {
            let m = row.iter().fold(f64::NEG_INFINITY, |m, &x| if x > m { x } else { m });
            if m.is_infinite() || row.iter().any(|x| x.is_nan()) {
                let value = if row.iter().any(|x| x.is_nan()) { f64::NAN } else { m };
                return Truth { value, log: 0.0, spread: 0.0 };
            }
            let sum: f64 = row.iter().map(|x| (x - m).exp()).sum();
            let spread =
                row.iter().filter(|x| x.is_finite()).map(|x| (x - m).exp() * (m - x)).sum::<f64>() / sum;
            Truth { value: m + sum.ln(), log: sum.ln(), spread }
        })
        .collect()
}

/// The value and what its rounding errors scale with.
pub(super) struct Truth {
    /// m + log s.
    pub(super) value: f64,
    /// log s.
    pub(super) log: f64,
    /// The mean of m - x under the softmax: what rounding the differences costs, in units of roundoff.
    pub(super) spread: f64,
}
