//! The truth: every pair of tokens, in f64, without chunks, states between them or suffix sums; and beside each number what rounding may have done.
//!
//! Token j acts on token t >= j with the weight W_tj; the initial state acts like a token before the first, and the gradient of the last state like one after the last.

use tilewright_core::DType;

use crate::mlstm::mlstm_sequence::reference::Numbers;
use crate::mlstm::{InputGate, Mlstm};

/// Gradients of one call, row-major, with error bounds in unit roundoffs: q k v i f c n m.
pub(in crate::mlstm) type Gradients = [Vec<(f64, f64)>; 8];

/// What the loss says: by h, and by C and n after the last token.
pub(in crate::mlstm) struct Loss {
    pub(in crate::mlstm) h: Vec<f64>,
    pub(in crate::mlstm) c: Vec<f64>,
    pub(in crate::mlstm) n: Vec<f64>,
}

/// How a form computes, as far as its errors tell.
#[derive(Debug, Clone, Copy)]
pub(in crate::mlstm) struct Form {
    /// Tokens per chunk.
    pub(in crate::mlstm) chunk: usize,
    /// Tokens that a sum of df goes back over.
    pub(in crate::mlstm) run: usize,
    /// What rounding a factor of a product of matrices costs, in roundoffs of the sums.
    pub(in crate::mlstm) factor: f64,
    /// How wrong dh is, relative, in roundoffs of the sums: where it has been through an output gate.
    pub(in crate::mlstm) gate: f64,
    /// Pairs of tokens with a smaller weight than this are left out.
    pub(in crate::mlstm) least: f64,
}

impl Form {
    /// In chunks of this length, with factors as they are.
    pub(in crate::mlstm) fn of_chunks(chunk: usize) -> Self {
        Form { chunk, run: chunk, factor: 0.0, gate: 0.0, least: 0.0 }
    }
}

/// A sum with the bound on its error.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    /// The sum of the absolute terms.
    size: f64,
    /// In unit roundoffs.
    error: f64,
}

impl Sum {
    /// Adds `a b`, where `a` is a sum and `b` a number whose relative error is at most `roundings`.
    fn add(&mut self, a: Sum, b: f64, roundings: f64) {
        self.value += a.value * b;
        self.size += a.size * b.abs();
        self.error += b.abs() * (a.error + roundings * a.size) + FLUSH * (1.0 + a.size + b.abs());
    }

    fn plus(&mut self, other: Sum) {
        self.value += other.value;
        self.size += other.size;
        self.error += other.error;
    }

    fn of(value: f64) -> Self {
        Sum { value, size: value.abs(), error: 0.0 }
    }

    fn done(self) -> (f64, f64) {
        (self.value, self.error)
    }
}

/// What is below the smallest normal f32 may become 0, in roundoffs of f32: a product, or either of its factors.
const FLUSH: f64 = f32::MIN_POSITIVE as f64 * 16777216.0;
/// Roundings of an exponential (Metal allows 4 ulp) and of the logarithm of a sigmoid; of what is beside them.
const EXP: f64 = 8.0;
const LOG: f64 = 24.0;
const PRODUCTS: f64 = 6.0;

/// The weights of one sequence.
struct Weights {
    /// log sigma(f) up to each token, from 0 on: `[s + 1]`.
    b: Vec<f64>,
    iota: Vec<f64>,
    m: Vec<f64>,
    /// The largest input gate up to each token.
    peak: Vec<f64>,
    m_first: f64,
    m_largest: f64,
    chunk: usize,
}

impl Weights {
    /// The initial state and the tokens up to t, without those before which no weight at t can reach `least`.
    fn terms(&self, t: usize, least: f64) -> Vec<Option<usize>> {
        let bound = |j: usize| self.b[t + 1] - self.b[j + 1] + self.peak[j] - self.m[t];
        let left_out = |j: &usize| least > 0.0 && bound(*j) < least.ln();
        let first = (0..=t).rev().find(left_out).map_or(0, |j| j + 1);
        let state = (least == 0.0 || self.at(t, None).0 >= least).then_some(None);
        state.into_iter().chain((first..=t).map(Some)).collect()
    }

    /// What is left at token t of token j, or of the initial state (`None`), with its relative error.
    fn at(&self, t: usize, j: Option<usize>) -> (f64, f64) {
        let (from, input) = j.map_or((0, self.m_first), |j| (j + 1, self.iota[j]));
        if input == f64::NEG_INFINITY {
            return (0.0, 0.0);
        }
        let decay = self.b[t + 1] - self.b[from];
        let exponent = decay + input - self.m[t];
        // An exponent is a running sum within a chunk, and a weight a product over chunks.
        let distance = t + 1 - from;
        let factors = (distance / self.chunk + distance.min(self.chunk) + 3) as f64;
        let one = EXP + PRODUCTS + 3.0 * (exponent.abs() + 2.0 * self.m_largest);
        (exponent.exp(), factors * one + LOG * (decay.abs() + input.abs()))
    }
}

/// All gradients, of a computation of this form in `sums`.
pub(in crate::mlstm) fn mlstm_chunkwise_bw(
    x: &Numbers,
    loss: &Loss,
    cell: &Mlstm,
    exact: bool,
    form: Form,
    sums: DType,
) -> Gradients {
    let Form { chunk, factor, gate, least, .. } = form;
    let (s, dqk, dv) = (x.s, x.dqk, x.dv);
    let scale = cell.scale.unwrap_or(1.0 / (dqk.max(1) as f64).sqrt());
    let order = (chunk.min(s) + s.div_ceil(chunk)) as f64 + PRODUCTS;
    let (over_k, over_v) = (dqk as f64 + order, dv as f64 + order);
    let mut all: Gradients = Default::default();
    for head in 0..x.heads {
        let row = |of: &[f64], t: usize, d: usize| of[(head * s + t) * d..][..d].to_vec();
        let [q, k]: [Vec<_>; 2] = [&x.q, &x.k].map(|of| (0..s).map(|t| row(of, t, dqk)).collect());
        let [v, dh]: [Vec<_>; 2] = [&x.v, &loss.h].map(|of| (0..s).map(|t| row(of, t, dv)).collect());
        let matrix = |of: &[f64]| of[head * dqk * dv..][..dqk * dv].to_vec();
        let (c_first, dc_last) = (matrix(&x.c), matrix(&loss.c));
        let (n_first, dn_last) = (&x.n[head * dqk..][..dqk], &loss.n[head * dqk..][..dqk]);
        let weights = weights(x, cell, head, chunk);

        // s q_t . k_j without its weight; and the same of the initial n.
        let dot = |a: &[f64], b: &[f64]| {
            let mut sum = Sum::default();
            a.iter().zip(b).for_each(|(&a, &b)| sum.add(Sum::of(a), b, 0.0));
            sum
        };
        let mut gradients = Rows::new(s, dqk, dv);
        // flow[l]: what the loss gains when the logarithm of all that reaches beyond the start of token l grows by one.
        let mut flow = vec![Sum::default(); s + 1];
        for t in 0..s {
            let terms = weights.terms(t, least);
            // What each term gives q_t and dh_t: (scale q . k_j, dh . v_j), and for the state (scale q . n, scale q . C . dh).
            let (mut z, mut by_h) = (Sum::default(), Sum::default());
            for &term in &terms {
                let (weight, error) = weights.at(t, term);
                let Some(j) = term else {
                    z.add(dot(&q[t], n_first), scale * weight, error + over_k);
                    for (a, q) in q[t].iter().enumerate() {
                        by_h.add(
                            dot(&dh[t], &c_first[a * dv..][..dv]),
                            scale * weight * q,
                            error + over_k + over_v + 2.0 * factor + gate,
                        );
                    }
                    continue;
                };
                let score = dot(&q[t], &k[j]);
                z.add(score, scale * weight, error + over_k);
                let product = dot(&dh[t], &v[j]);
                by_h.value += scale * weight * score.value * product.value;
                by_h.size += (scale * weight).abs() * score.size * product.size;
                let roundings = error + over_k + over_v + 2.0 * factor + gate;
                by_h.error += (scale * weight).abs() * score.size * product.size * roundings;
            }
            let mut reading = Reading::new(cell, exact, z, by_h, weights.m[t], sums);
            // From here on it stands beside dh.
            reading.error += gate;
            let mut before = Sum::default();
            let g: Vec<f64> = dh[t].iter().map(|dh| dh * reading.factor).collect();
            for &term in &terms {
                let (weight, error) = weights.at(t, term);
                let (weight, rounded) = (scale * weight, error + 2.0 * factor);
                let Some(j) = term else {
                    for a in 0..dqk {
                        let mut through = dot(&g, &c_first[a * dv..][..dv]);
                        through.error = through.size * (reading.error + over_v);
                        through.add(reading.dz, n_first[a], 0.0);
                        gradients.q[t][a].add(through, weight, rounded + order);
                        before.add(through, weight * q[t][a], rounded + factor + over_k);
                        for (b, &g) in g.iter().enumerate() {
                            gradients.c[a * dv + b].add(
                                Sum::of(g),
                                weight * q[t][a],
                                reading.error + rounded + order,
                            );
                        }
                        gradients.n[a].add(reading.dz, weight * q[t][a], error + order);
                    }
                    flow[0].plus(before);
                    continue;
                };
                let mut through = dot(&g, &v[j]);
                through.error = through.size * (reading.error + over_v);
                through.add(reading.dz, 1.0, 0.0);
                for a in 0..dqk {
                    gradients.q[t][a].add(through, weight * k[j][a], rounded + order);
                    gradients.k[j][a].add(through, weight * q[t][a], rounded + order);
                    before.add(through, weight * q[t][a] * k[j][a], rounded + factor + over_k);
                }
                if j < t {
                    flow[j + 1].plus(before);
                }
                let score = dot(&q[t], &k[j]);
                for (b, &g) in g.iter().enumerate() {
                    gradients.v[j][b].add(score, weight * g, reading.error + rounded + over_k);
                }
            }
        }
        // The last state.
        let mut before = Sum::default();
        for term in if s == 0 { vec![None] } else { weights.terms(s - 1, least) } {
            let (weight, error) = match s {
                0 => (1.0, 0.0),
                _ => weights.at(s - 1, term),
            };
            let rounded = error + 2.0 * factor;
            for a in 0..dqk {
                let Some(j) = term else {
                    for b in 0..dv {
                        let at = a * dv + b;
                        gradients.c[at].add(Sum::of(dc_last[at]), weight, error + order);
                        before.add(
                            Sum::of(dc_last[at]),
                            weight * c_first[at],
                            rounded + factor + over_v + over_k,
                        );
                    }
                    gradients.n[a].add(Sum::of(dn_last[a]), weight, error + order);
                    before.add(Sum::of(dn_last[a]), weight * n_first[a], error + over_k);
                    continue;
                };
                let mut through = dot(&dc_last[a * dv..][..dv], &v[j]);
                through.error = over_v * through.size;
                through.add(Sum::of(dn_last[a]), 1.0, 1.0);
                gradients.k[j][a].add(through, weight, rounded + order);
                before.add(through, weight * k[j][a], rounded + factor + over_k);
                for b in 0..dv {
                    gradients.v[j][b].add(Sum::of(dc_last[a * dv + b]), weight * k[j][a], rounded + over_k);
                }
            }
            flow[term.map_or(0, |j| j + 1)].plus(before);
        }
        gradients.finish(x, cell, head, &flow, form.run, &mut all);
    }
    all
}

/// What the loss says by h and by o, given what it says by y = sigma(o) h: dh, and do with its error bound in roundoffs of the sums; h comes with its own.
/// `stored`: what rounding h to the type of the data costs, in such roundoffs.
pub(in crate::mlstm) fn gated(
    dy: &[f64],
    o: &[f64],
    h: &[(f64, f64)],
    stored: f64,
) -> (Vec<f64>, Vec<(f64, f64)>) {
    let dh = dy.iter().zip(o).map(|(dy, &o)| dy * sigmoid(o)).collect();
    let by_o = dy.iter().zip(o).zip(h).map(|((dy, &o), &(h, error))| {
        let slope = dy * sigmoid(o) * sigmoid(-o);
        (slope * h, slope.abs() * (error + h.abs() * (stored + 2.0 * EXP + 2.0 * PRODUCTS) + FLUSH))
    });
    (dh, by_o.collect())
}

/// How wrong dh is then: `stored` as it is rounded to the type of the data.
pub(in crate::mlstm) fn gate_error(stored: f64) -> f64 {
    stored + EXP + PRODUCTS
}

/// 1 / (max(|z|, exp(-m)) + eps) and what the loss says by z.
struct Reading {
    factor: f64,
    /// Relative.
    error: f64,
    dz: Sum,
}

impl Reading {
    fn new(cell: &Mlstm, exact: bool, z: Sum, by_h: Sum, m: f64, sums: DType) -> Self {
        let floor = (-m).exp();
        let by_floor = EXP + PRODUCTS + 2.0 * m.abs();
        if !cell.normalize {
            return Reading { factor: m.exp(), error: by_floor, dz: Sum::default() };
        }
        let denominator = z.value.abs().max(floor) + cell.eps;
        let margin = sums.unit_roundoff() * (z.error + floor * by_floor);
        let error =
            if z.value.abs() + margin < floor { by_floor } else { by_floor.max(z.error / denominator) };
        let (factor, error) = (1.0 / denominator, error + PRODUCTS + cell.eps * 4.0 * m.abs() / denominator);
        let through = by_h.value * factor * factor;
        let mut dz = Sum::default();
        if exact && z.value.abs() > floor {
            dz.value = -z.value.signum() * through;
            dz.size = through.abs();
            dz.error = factor * factor * by_h.error + through.abs() * (2.0 * error + PRODUCTS);
        }
        if exact && (z.value.abs() - floor).abs() <= margin {
            // Rounding decides whether z counts.
            dz.error += through.abs() / sums.unit_roundoff();
        }
        Reading { factor, error, dz }
    }
}

fn weights(x: &Numbers, cell: &Mlstm, head: usize, chunk: usize) -> Weights {
    let mut all = Weights {
        b: vec![0.0],
        iota: Vec::new(),
        m: Vec::new(),
        peak: Vec::new(),
        m_first: x.m[head],
        m_largest: x.m[head].abs(),
        chunk,
    };
    let mut m = x.m[head];
    for t in head * x.s..(head + 1) * x.s {
        let phi = log_sigmoid(capped(cell, x.f[t]));
        let i = capped(cell, x.i[t]);
        let sigmoid = cell.input_gate == InputGate::Sigmoid;
        let iota = if sigmoid { log_sigmoid(i) } else { i };
        m = if sigmoid { 0.0 } else { f64::max(phi + m, iota) };
        all.b.push(all.b[all.b.len() - 1] + phi);
        all.iota.push(iota);
        all.peak.push(all.peak.last().map_or(iota, |&peak: &f64| peak.max(iota)));
        all.m.push(m);
        all.m_largest = all.m_largest.max(m.abs());
    }
    all
}

/// The gradients of one sequence.
struct Rows {
    q: Vec<Vec<Sum>>,
    k: Vec<Vec<Sum>>,
    v: Vec<Vec<Sum>>,
    c: Vec<Sum>,
    n: Vec<Sum>,
}

impl Rows {
    fn new(s: usize, dqk: usize, dv: usize) -> Self {
        let rows = |d: usize| vec![vec![Sum::default(); d]; s];
        let zeros = |d: usize| vec![Sum::default(); d];
        Rows { q: rows(dqk), k: rows(dqk), v: rows(dv), c: zeros(dqk * dv), n: zeros(dqk) }
    }

    /// By i, by f and by m; then all go where they belong.
    fn finish(self, x: &Numbers, cell: &Mlstm, head: usize, flow: &[Sum], run: usize, all: &mut Gradients) {
        let (s, terms) = (x.s, x.dqk as f64 + PRODUCTS);
        let [q, k] = [&x.q, &x.k].map(|of| move |t: usize| &of[(head * s + t) * x.dqk..][..x.dqk]);
        let along = |gradient: &[Sum], by: &[f64]| {
            let mut sum = Sum::default();
            gradient.iter().zip(by).for_each(|(&gradient, &by)| sum.add(gradient, by, terms));
            sum
        };
        let by_key: Vec<Sum> = (0..s).map(|t| along(&self.k[t], k(t))).collect();
        let both: Vec<Sum> = (0..s)
            .map(|t| {
                let mut sum = along(&self.q[t], q(t));
                sum.plus(by_key[t]);
                sum
            })
            .collect();
        for t in 0..s {
            let (i, f) = (x.i[head * s + t], x.f[head * s + t]);
            let by_input = by_key[t];
            let (slope, error) = match cell.input_gate {
                InputGate::Exponential => (1.0, 0.0),
                InputGate::Sigmoid => {
                    (sigmoid(-capped(cell, i)), EXP + PRODUCTS + 20.0 * capped(cell, i).abs())
                }
            };
            let (cap, cap_error) = cap_slope(cell, i);
            let value = by_input.value * slope * cap;
            all[3].push((value, by_input.error * slope * cap + value.abs() * (error + cap_error + PRODUCTS)));
            // Computed as what flows over the end of the chunk, and differences of products from there back to t.
            let end = s.min((t / run + 1) * run);
            let back: f64 = both[t..end].iter().map(|sum| sum.error).sum();
            let sizes: f64 = both[t..end].iter().map(|sum| sum.size).sum();
            let error = flow[end].error + back + sizes * (end - t) as f64;
            let slope = sigmoid(-capped(cell, f));
            let (cap, cap_error) = cap_slope(cell, f);
            // flow[t]: the forget gate of t scales everything before t.
            let value = flow[t].value * slope * cap;
            let relative =
                EXP + PRODUCTS + cap_error + 20.0 * if cell.gate_cap.is_some() { f.abs() } else { 0.0 };
            all[4].push((value, error * slope * cap + value.abs() * relative));
        }
        for (target, rows) in [(0, self.q), (1, self.k), (2, self.v)] {
            all[target].extend(rows.into_iter().flatten().map(Sum::done));
        }
        let (c_first, n_first) = (&x.c[head * x.dqk * x.dv..], &x.n[head * x.dqk..]);
        let mut by_m = Sum::default();
        let terms = (x.dqk * x.dv) as f64;
        self.c.iter().zip(c_first).for_each(|(&gradient, &c)| by_m.add(gradient, c, terms));
        self.n.iter().zip(n_first).for_each(|(&gradient, &n)| by_m.add(gradient, n, terms));
        all[5].extend(self.c.into_iter().map(Sum::done));
        all[6].extend(self.n.into_iter().map(Sum::done));
        all[7].push(by_m.done());
    }
}

fn capped(cell: &Mlstm, x: f64) -> f64 {
    cell.gate_cap.map_or(x, |cap| cap * (x / cap).tanh())
}

/// The derivative of the cap, with its relative error.
fn cap_slope(cell: &Mlstm, x: f64) -> (f64, f64) {
    let slope = |cap: f64| ((x / cap).cosh().powi(-2), 24.0 + 16.0 * (x / cap).abs());
    cell.gate_cap.map_or((1.0, 0.0), slope)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
