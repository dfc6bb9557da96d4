//! The truth, with the error that each element may have.

/// A number, and what may be wrong with what an implementation has in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    pub(super) value: f64,
    pub(super) error: f64,
}

/// What one rounding leaves, of numbers as they are stored and of sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roundoff {
    pub(super) stored: f64,
    pub(super) sums: f64,
}

/// `(x - mean) r w` of each head, or without the mean.
///
/// A sum of n terms has n roundings at most. A mean that is off by e moves each difference by e; the root halves the relative error of the mean square.
pub(super) fn normed(
    x: &[f64],
    weight: &[f64],
    heads: usize,
    centred: bool,
    eps: f64,
    u: Roundoff,
) -> Vec<Near> {
    let n = x.len() / heads.max(1);
    let count = n as f64;
    let mut out = Vec::with_capacity(x.len());
    for (x, weight) in x.chunks(n.max(1)).zip(weight.chunks(n.max(1))) {
        let (mut mean, mut mean_error) = (0.0, 0.0);
        if centred {
            mean = x.iter().sum::<f64>() / count;
            mean_error = u.sums * (count + 1.0) * x.iter().map(|x| x.abs()).sum::<f64>() / count;
        }
        let square = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count + eps;
        let moved =
            x.iter().map(|x| 2.0 * (x - mean).abs() * (mean_error + u.sums * (x - mean).abs())).sum::<f64>();
        let relative = 0.5 * (moved / count / square + u.sums * (count + 3.0)) + 3.0 * u.sums;
        for (x, w) in x.iter().zip(weight) {
            let value = (x - mean) / square.sqrt() * w;
            let error = (mean_error / square.sqrt() * w).abs() + value.abs() * (relative + 3.0 * u.sums);
            out.push(Near { value, error: error + u.stored * (value.abs() + error) });
        }
    }
    out
}

/// `sigma(gate) z`.
pub(super) fn gated(z: &mut [Near], gate: &[f64], u: Roundoff) {
    for (z, gate) in z.iter_mut().zip(gate) {
        let open = 1.0 / (1.0 + (-gate).exp());
        let (value, error) = (open * z.value, open * z.error + 8.0 * u.sums * (open * z.value).abs());
        *z = Near { value, error: error + u.stored * (value.abs() + error) };
    }
}

/// `W z`.
pub(super) fn mapped(w: &[f64], z: &[Near], u: Roundoff) -> Vec<Near> {
    let k = z.len();
    let rows = w.len().checked_div(k).unwrap_or(0);
    let row = |row: usize| {
        let terms = || w[row * k..][..k].iter().zip(z);
        let value = terms().map(|(w, z)| w * z.value).sum();
        let magnitude: f64 = terms().map(|(w, z)| (w * z.value).abs() + w.abs() * z.error).sum();
        let given: f64 = terms().map(|(w, z)| w.abs() * z.error).sum();
        Near { value, error: given + u.sums * (k as f64 + 1.0) * magnitude }
    };
    (0..rows).map(row).collect()
}

/// `silu(a) b`; the slope of silu is below 1.1.
pub(super) fn glu(a: Near, b: Near, u: Roundoff) -> Near {
    let silu = a.value / (1.0 + (-a.value).exp());
    let off = 1.1 * a.error + 8.0 * u.sums * silu.abs();
    let value = silu * b.value;
    Near { value, error: off * (b.value.abs() + b.error) + silu.abs() * b.error + u.sums * value.abs() }
}

/// `cap tanh(y / cap)`, whose slope is at most 1.
pub(super) fn capped(y: Near, cap: f64, u: Roundoff) -> Near {
    let value = cap * (y.value / cap).tanh();
    Near { value, error: y.error + 8.0 * u.sums * value.abs().max(y.value.abs().min(cap)) }
}
