//! The truth.

use crate::conv::causal_conv::Extents;

/// Value and magnitude of each element of a gradient.
type Gradient = Vec<(f64, f64)>;

/// The gradients by x, weights, bias and state; without a state the last has no elements.
pub(super) fn causal_conv_bw(
    dy: &[f64],
    x: &[f64],
    weight: &[f64],
    state: Option<&[f64]>,
    e: &Extents,
) -> [Gradient; 4] {
    let stated = state.map_or(0, <[f64]>::len);
    let mut by = [x.len(), e.d * e.w, e.d, stated].map(|elements| vec![(0.0, 0.0); elements]);
    let add = |sum: &mut (f64, f64), term: f64| *sum = (sum.0 + term, sum.1 + term.abs());
    let history = e.w - 1;
    for b in 0..e.b {
        for t in 0..e.s {
            for j in 0..e.d {
                let given = dy[(b * e.s + t) * e.d + j];
                add(&mut by[2][j], given);
                for k in 0..e.w {
                    // Token t + k, counted from the oldest of the state, is what tap k saw.
                    if t + k >= history {
                        let at = (b * e.s + t + k - history) * e.d + j;
                        add(&mut by[0][at], given * weight[j * e.w + k]);
                        add(&mut by[1][j * e.w + k], given * x[at]);
                    } else if let Some(state) = state {
                        let at = (b * history + t + k) * e.d + j;
                        add(&mut by[1][j * e.w + k], given * state[at]);
                        add(&mut by[3][at], given * weight[j * e.w + k]);
                    }
                }
            }
        }
    }
    by
}
