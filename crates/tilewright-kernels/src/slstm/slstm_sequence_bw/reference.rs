//! The truth: back over what the forward truth made, in f64, each number with its running error bound.

use crate::slstm::bound::Bound;
use crate::slstm::slstm_sequence::reference::{Numbers, Unit, sequence};
use crate::slstm::{ForgetGate, Slstm};

/// The gradients by h, and by c, n and h of the last state, row-major.
pub(super) struct Loss {
    pub(super) h: Vec<f64>,
    pub(super) last: [Vec<f64>; 3],
}

/// By x, r, then c, n, h and m of the first state, row-major, each with its bound.
pub(super) type Gradients = [Vec<(f64, f64)>; 6];

pub(super) fn slstm_sequence_bw(x: &Numbers, loss: &Loss, cell: &Slstm) -> Gradients {
    let (s, d) = (x.s, x.d);
    let mut by_x = vec![(0.0, 0.0); x.x.len()];
    let mut by_state = [(); 4].map(|()| Vec::new());
    let mut by_r = vec![Bound::default(); x.r.len()];
    // The absolute terms of each element, and their number: what summing them may cost.
    let (mut sizes, count) = (vec![0.0; x.r.len()], (x.b * s) as f64 + 2.0);
    for b in 0..x.b {
        for head in 0..x.nh {
            let (place, units) = (b * x.nh + head, sequence(x, cell, b, head));
            let last = |part: usize, e: usize| loss.last[part][place * d + e];
            // The last c and n are relative to a stabiliser that may be off itself.
            let scaled = |part: usize, e: usize| {
                let value = last(part, e);
                Bound { value, error: value.abs() * units[s][e].m.error }
            };
            let mut dc: Vec<Bound> = (0..d).map(|e| scaled(0, e)).collect();
            let mut dn: Vec<Bound> = (0..d).map(|e| scaled(1, e)).collect();
            let mut dh: Vec<Bound> = (0..d).map(|e| Bound::exact(last(2, e))).collect();
            for t in (0..s).rev() {
                let (before, after) = (&units[t], &units[t + 1]);
                let mut dpre = vec![[Bound::default(); 4]; d];
                for e in 0..d {
                    let dh = dh[e] + Bound::exact(loss.h[(place * s + t) * d + e]);
                    dpre[e] = unit(cell, &before[e], &after[e], dh, &mut dc[e], &mut dn[e]);
                    for (g, dpre) in dpre[e].iter().enumerate() {
                        by_x[((place * s + t) * 4 + g) * d + e] = dpre.pair();
                        for (a, before) in before.iter().enumerate() {
                            let at = ((head * 4 + g) * d + e) * d + a;
                            let term = *dpre * before.h;
                            by_r[at].value += term.value;
                            by_r[at].error += term.error;
                            sizes[at] += term.value.abs();
                        }
                    }
                }
                for (a, dh) in dh.iter_mut().enumerate() {
                    let terms = (0..4).flat_map(|g| (0..d).map(move |e| (g, e)));
                    let terms = terms.map(|(g, e)| (x.weight(head, g, e, a), dpre[e][g]));
                    *dh = Bound::default().plus_products(terms);
                }
            }
            for e in 0..d {
                let first = &units[0][e];
                let dm = dc[e] * first.c + dn[e] * first.n;
                for (by, part) in by_state.iter_mut().zip([dc[e], dn[e], dh[e], dm]) {
                    by.push(part.pair());
                }
            }
        }
    }
    let by_r = by_r.iter().zip(sizes).map(|(by, size)| (by.value, by.error + count * size)).collect();
    let [dc, dn, dh, dm] = by_state;
    [by_x, by_r, dc, dn, dh, dm]
}

/// The gradients by a unit's pre-activations; dc and dn become those by c and n before the token.
fn unit(cell: &Slstm, before: &Unit, after: &Unit, dh: Bound, dc: &mut Bound, dn: &mut Bound) -> [Bound; 4] {
    let Unit { pre, z, o, keep, take, c, n, .. } = *after;
    let mut by_o = Bound::default();
    if n.value != 0.0 {
        let mean = c.over(n);
        let by_mean = (dh * o).over(n);
        *dc = *dc + by_mean;
        *dn = *dn - by_mean * mean;
        by_o = dh * mean * o * (-pre[3]).sigmoid();
    }
    let by_z = *dc * take * (Bound::exact(1.0) - z * z);
    let by_i = take * (*dc * z + *dn);
    let by_log_f = keep * (*dc * before.c + *dn * before.n);
    let exponential = cell.forget_gate == ForgetGate::Exponential;
    let by_f = if exponential { by_log_f } else { by_log_f * (-pre[2]).sigmoid() };
    *dc = *dc * keep;
    *dn = *dn * keep;
    [by_z, by_i, by_f, by_o]
}
