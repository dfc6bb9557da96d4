//! The truth: the recurrence in f64, one token after another, each number with its running error bound.
//!
//! Errors are those against the state that is meant, `c exp(m)` and `n exp(m)`, given the stabilisers as they were rounded: with any stabilisers the same state is meant, so their own
//! errors need not be followed through c and n. They are added where c and n are compared as they are.

use tilewright_core::{Result, Tensor};

use crate::slstm::bound::Bound;
use crate::slstm::{ForgetGate, Slstm};

/// Unit roundoffs of f32 in 1; in f64 there are more.
const GAP: f64 = 16_777_216.0;

/// The inputs of all sequences, row-major.
pub(in crate::slstm) struct Numbers {
    pub(in crate::slstm) b: usize,
    pub(in crate::slstm) nh: usize,
    pub(in crate::slstm) s: usize,
    pub(in crate::slstm) d: usize,
    pub(in crate::slstm) x: Vec<f64>,
    pub(in crate::slstm) r: Vec<f64>,
    /// c, n, h and m before the first token.
    pub(in crate::slstm) state: [Vec<f64>; 4],
}

impl Numbers {
    /// From x and r, without the axis s one token, and the tensors c n h m, or none.
    pub(in crate::slstm) fn new(x: &Tensor, r: &Tensor, state: &[Tensor]) -> Result<Self> {
        let dims = x.dims();
        let (s, d) = (if dims.len() == 5 { dims[2] } else { 1 }, dims[dims.len() - 1]);
        let (b, nh) = (dims[0], dims[1]);
        let state = match state {
            [c, n, h, m] => [c.to_f64_vec()?, n.to_f64_vec()?, h.to_f64_vec()?, m.to_f64_vec()?],
            _ => [(); 4].map(|()| vec![0.0; b * nh * d]),
        };
        Ok(Numbers { b, nh, s, d, x: x.to_f64_vec()?, r: r.to_f64_vec()?, state })
    }

    /// r of unit e's gate g by unit a.
    pub(in crate::slstm) fn weight(&self, head: usize, g: usize, e: usize, a: usize) -> Bound {
        Bound::exact(self.r[((head * 4 + g) * self.d + e) * self.d + a])
    }
}

/// What a unit made of a token.
#[derive(Clone, Copy, Default)]
pub(in crate::slstm) struct Unit {
    /// Pre-activations of z, i, f, o.
    pub(in crate::slstm) pre: [Bound; 4],
    pub(in crate::slstm) z: Bound,
    pub(in crate::slstm) o: Bound,
    pub(in crate::slstm) keep: Bound,
    pub(in crate::slstm) take: Bound,
    pub(in crate::slstm) c: Bound,
    pub(in crate::slstm) n: Bound,
    pub(in crate::slstm) h: Bound,
    /// With its own error, which c and n do not have.
    pub(in crate::slstm) m: Bound,
}

impl Unit {
    /// Before the first token.
    pub(in crate::slstm) fn start(x: &Numbers, at: usize) -> Self {
        let [c, n, h, m] = [0, 1, 2, 3].map(|part: usize| Bound::exact(x.state[part][at]));
        Unit { c, n, h, m, ..Unit::default() }
    }
}

/// The units of a sequence of one head at each token: `[s + 1]` of d each, the first before the first token.
pub(in crate::slstm) fn sequence(x: &Numbers, cell: &Slstm, b: usize, head: usize) -> Vec<Vec<Unit>> {
    let (d, place) = (x.d, b * x.nh + head);
    let mut all = vec![(0..d).map(|e| Unit::start(x, place * d + e)).collect::<Vec<_>>()];
    for t in 0..x.s {
        let before = &all[t];
        let units = (0..d).map(|e| {
            let pre = [0, 1, 2, 3].map(|g| {
                let own = Bound::exact(x.x[((place * x.s + t) * 4 + g) * d + e]);
                own.plus_products((0..d).map(|a| (x.weight(head, g, e, a), before[a].h)))
            });
            token(cell, pre, &before[e])
        });
        let units = units.collect();
        all.push(units);
    }
    all
}

fn token(cell: &Slstm, pre: [Bound; 4], before: &Unit) -> Unit {
    let [z, i, f, o] = pre;
    let (z, o) = (z.tanh(), o.sigmoid());
    let log_f = if cell.forget_gate == ForgetGate::Exponential { f } else { f.log_sigmoid() };
    let zero = Bound::default();
    // A token that is left out has no error: -inf is exact, whatever is added to it.
    let left_out = i.value == f64::NEG_INFINITY;
    let empty = before.n.value == 0.0;
    let (keep, take, m) = if empty && left_out {
        (zero, zero, before.m)
    } else if empty {
        (zero, Bound::exact(1.0), i)
    } else {
        let (kept, by_m) = (log_f + Bound::exact(before.m.value), log_f + before.m);
        let (larger, other) = if left_out || kept.value > i.value { (by_m, i) } else { (i, by_m) };
        // The other one may have been taken for the larger, where its error reaches over the gap.
        let reach = if left_out { 0.0 } else { other.error - (larger.value - other.value) * GAP };
        let m = Bound { error: larger.error.max(reach), ..larger };
        let relative = |log: Bound| (log - Bound::exact(m.value)).exp();
        (relative(kept), if left_out { zero } else { relative(i) }, m)
    };
    let (c, n) = (keep * before.c + take * z, keep * before.n + take);
    let h = if n.value == 0.0 { zero } else { o * c.over(n) };
    Unit { pre, z, o, keep, take, c, n, h, m }
}

/// h of every token, then c, n, h and m after the last, each row-major with its bound.
pub(in crate::slstm) fn slstm_sequence(x: &Numbers, cell: &Slstm) -> [Vec<(f64, f64)>; 5] {
    let mut out: [Vec<(f64, f64)>; 5] = Default::default();
    for b in 0..x.b {
        for head in 0..x.nh {
            let units = sequence(x, cell, b, head);
            out[0].extend(units[1..].iter().flatten().map(|unit| unit.h.pair()));
            for unit in &units[x.s] {
                // As they are, c and n are off by the error of m too.
                let shifted = |part: Bound| (part.value, part.error + part.value.abs() * unit.m.error);
                out[1].push(shifted(unit.c));
                out[2].push(shifted(unit.n));
                out[3].push(unit.h.pair());
                out[4].push(unit.m.pair());
            }
        }
    }
    out
}
