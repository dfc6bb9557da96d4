//! The truth.

use crate::conv::causal_conv::Extents;

/// x at time t, which may lie in the state or before it.
fn before(x: &[f64], state: Option<&[f64]>, e: &Extents, b: usize, t: isize, j: usize) -> f64 {
    let history = e.w as isize - 1;
    match usize::try_from(t) {
        Ok(t) => x[(b * e.s + t) * e.d + j],
        Err(_) => state.map_or(0.0, |state| state[(b * (e.w - 1) + (t + history) as usize) * e.d + j]),
    }
}

/// Value and magnitude of each element.
pub(super) fn causal_conv(
    x: &[f64],
    weight: &[f64],
    bias: Option<&[f64]>,
    state: Option<&[f64]>,
    e: &Extents,
) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(x.len());
    for b in 0..e.b {
        for t in 0..e.s {
            for j in 0..e.d {
                let mut sum = bias.map_or((0.0, 0.0), |bias| (bias[j], bias[j].abs()));
                for k in 0..e.w {
                    let at = t as isize - (e.w as isize - 1) + k as isize;
                    let term = weight[j * e.w + k] * before(x, state, e, b, at, j);
                    sum = (sum.0 + term, sum.1 + term.abs());
                }
                out.push(sum);
            }
        }
    }
    out
}
