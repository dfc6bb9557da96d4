//! Distances in f64, in one fixed order of summation: the same bits on every machine.

use super::Metric;

/// Sums that run side by side.
const SUMS: usize = 16;

/// The sum of `term` over the pairs of elements. Products are not fused, so that the instructions which a machine has change nothing.
#[inline(always)]
fn sum_over(q: &[f32], x: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0f64; SUMS];
    let ((q, q_rest), (x, x_rest)) = (q.as_chunks::<SUMS>(), x.as_chunks::<SUMS>());
    for (q, x) in q.iter().zip(x) {
        for i in 0..SUMS {
            sums[i] += term(f64::from(q[i]), f64::from(x[i]));
        }
    }
    for ((sum, &q), &x) in sums.iter_mut().zip(q_rest).zip(x_rest) {
        *sum += term(f64::from(q), f64::from(x));
    }
    let mut half = SUMS / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// `q·q`
#[inline(always)]
pub(super) fn squared_length(q: &[f32]) -> f64 {
    sum_over(q, q, |q, x| q * x)
}

/// The distance, rounded once to f32 from f64. `q_squared` is the squared length of `q`.
#[inline(always)]
pub(super) fn distance(metric: Metric, q: &[f32], q_squared: f64, x: &[f32]) -> f32 {
    let distance = match metric {
        Metric::L2 => sum_over(q, x, |q, x| (q - x) * (q - x)),
        Metric::InnerProduct => -sum_over(q, x, |q, x| q * x),
        Metric::Cosine => {
            let dot = sum_over(q, x, |q, x| q * x);
            1.0 - dot / (q_squared.sqrt() * squared_length(x).sqrt())
        }
    };
    distance as f32
}
