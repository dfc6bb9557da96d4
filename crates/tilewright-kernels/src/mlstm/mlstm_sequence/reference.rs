//! The truth: the recurrence in f64, one token after another, and beside each number what rounding may have done to it.

use std::ops::Range;

use tilewright_core::{DType, Result, Tensor};

use crate::mlstm::{InputGate, Mlstm};

/// The inputs of `heads` sequences, row-major.
pub(in crate::mlstm) struct Numbers {
    pub(in crate::mlstm) heads: usize,
    pub(in crate::mlstm) s: usize,
    pub(in crate::mlstm) dqk: usize,
    pub(in crate::mlstm) dv: usize,
    pub(in crate::mlstm) q: Vec<f64>,
    pub(in crate::mlstm) k: Vec<f64>,
    pub(in crate::mlstm) v: Vec<f64>,
    pub(in crate::mlstm) i: Vec<f64>,
    pub(in crate::mlstm) f: Vec<f64>,
    pub(in crate::mlstm) o: Option<Vec<f64>>,
    /// C, n and m before the first token.
    pub(in crate::mlstm) c: Vec<f64>,
    pub(in crate::mlstm) n: Vec<f64>,
    pub(in crate::mlstm) m: Vec<f64>,
}

impl Numbers {
    /// From tensors in the order of the slots, q k v i f, then c n m, then o; without the axis s they are one token.
    pub(in crate::mlstm) fn new(tensors: &[Tensor]) -> Result<Self> {
        let (q, v) = (tensors[0].dims(), tensors[2].dims());
        let (heads, s) = (q[0] * q[1], if q.len() == 4 { q[2] } else { 1 });
        let (dqk, dv) = (q[q.len() - 1], v[v.len() - 1]);
        let at = |index: usize| tensors[index].to_f64_vec();
        let (c, n, m) = match tensors.len() {
            8.. => (at(5)?, at(6)?, at(7)?),
            _ => (vec![0.0; heads * dqk * dv], vec![0.0; heads * dqk], vec![0.0; heads]),
        };
        let o = matches!(tensors.len(), 6 | 9).then(|| at(tensors.len() - 1)).transpose()?;
        Ok(Numbers { heads, s, dqk, dv, q: at(0)?, k: at(1)?, v: at(2)?, i: at(3)?, f: at(4)?, o, c, n, m })
    }

    /// These tokens alone, from the state C, n, m on.
    pub(in crate::mlstm) fn stretch(&self, tokens: Range<usize>, [c, n, m]: [Vec<f64>; 3]) -> Self {
        let Numbers { heads, s, dqk, dv, .. } = *self;
        let [q, k] = [&self.q, &self.k].map(|of| rows(of, [heads, s, dqk], &tokens));
        let [i, f] = [&self.i, &self.f].map(|of| rows(of, [heads, s, 1], &tokens));
        let of_values = |of: &Vec<f64>| rows(of, [heads, s, dv], &tokens);
        let (v, o) = (of_values(&self.v), self.o.as_ref().map(of_values));
        Numbers { heads, s: tokens.len(), dqk, dv, q, k, v, i, f, o, c, n, m }
    }
}

/// These tokens of `[heads, s, width]`.
pub(in crate::mlstm) fn rows(of: &[f64], [heads, s, width]: [usize; 3], tokens: &Range<usize>) -> Vec<f64> {
    (0..heads)
        .flat_map(|head| &of[(head * s + tokens.start) * width..][..tokens.len() * width])
        .copied()
        .collect()
}

/// Outputs, row-major: each value with its error bound in unit roundoffs of the sums' type.
#[derive(Default)]
pub(in crate::mlstm) struct Truth {
    pub(in crate::mlstm) h: Vec<(f64, f64)>,
    pub(in crate::mlstm) c: Vec<(f64, f64)>,
    pub(in crate::mlstm) n: Vec<(f64, f64)>,
    pub(in crate::mlstm) m: Vec<(f64, f64)>,
    /// Of each token: what h is divided by, without eps, and the stabiliser.
    pub(in crate::mlstm) denominators: Vec<(f64, f64)>,
    pub(in crate::mlstm) stabilisers: Vec<(f64, f64)>,
}

impl Truth {
    /// In the order of the outputs.
    pub(in crate::mlstm) fn outputs(self) -> Vec<Vec<(f64, f64)>> {
        vec![self.h, self.c, self.n, self.m]
    }
}

/// Roundings of an exponential (Metal allows 4 ulp), and of the products and sums that a weight enters.
const EXP: f64 = 8.0;
const PRODUCTS: f64 = 4.0;
/// Roundings of the logarithm of a sigmoid: of its exponential, of log1p, of the sum.
const LOG: f64 = 24.0;
/// Roundings of a soft cap: a quotient, Metal's tanh, a product.
const CAP: f64 = 20.0;
/// Exponents are the sum of at most three numbers, none of which is larger than the exponent and m together.
const EXPONENT: f64 = 3.0;

/// A sum of tokens' contributions, each with the weight `exp(D)` relative to `exp(m)`.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    /// The sum of the absolute contributions.
    size: f64,
    /// The same, each times how far its exponent lies below m: what rounding the exponents costs.
    depth: f64,
    /// The bound on the error, in unit roundoffs.
    error: f64,
}

/// The scalars of one token.
struct Token {
    m: f64,
    keep: f64,
    take: f64,
    /// -log keep
    drop: f64,
    /// Errors, in roundoffs, of the logarithms of sigma(f) and of the input gate.
    log_f_error: f64,
    log_i_error: f64,
}

impl Sum {
    fn start(value: f64) -> Self {
        Sum { value, size: value.abs(), ..Sum::default() }
    }

    /// Adds `by x`.
    fn add(&mut self, by: f64, x: &Sum, roundings: f64) {
        self.value += by * x.value;
        self.size += by.abs() * x.size;
        self.error += by.abs() * (x.error + roundings * x.size);
    }

    /// keep self + take product, where what is below the smallest normal number may have become 0.
    fn after(self, token: &Token, product: f64, factor: f64, flush: f64) -> Self {
        let size = token.keep * self.size;
        let depth =
            if token.keep > 0.0 { token.keep * (self.depth + token.drop.abs() * self.size) } else { 0.0 };
        let kept = EXPONENT * (depth + token.m.abs() * size) + (token.log_f_error + EXP + PRODUCTS) * size;
        let taken = (token.take * product).abs();
        let fresh = if taken > 0.0 { taken * (token.log_i_error + EXP + PRODUCTS + factor) } else { 0.0 };
        Sum {
            value: token.keep * self.value + token.take * product,
            size: size + taken,
            depth,
            error: token.keep * self.error + kept + fresh + flush * (self.size + product.abs()),
        }
    }
}

/// All outputs, of a form whose products take their factors in full.
pub(in crate::mlstm) fn mlstm_sequence(x: &Numbers, cell: &Mlstm, order: f64, sums: DType) -> Truth {
    rounded_factors(x, cell, order, 0.0, sums)
}

/// All outputs. `order` is how many more additions a sum over tokens may pass through than there are tokens: the chunk length, where
/// chunks are summed as products of matrices. `factor` is what rounding a factor of such a product to the type of the data costs, in roundoffs of the sums:
/// a key with its weight, as it enters the state, and what stands beside a query's values, be it a score or C. `sums` is the type that is judged.
pub(in crate::mlstm) fn rounded_factors(
    x: &Numbers,
    cell: &Mlstm,
    order: f64,
    factor: f64,
    sums: DType,
) -> Truth {
    walk(x, cell, order, factor, sums, None)
}

/// All outputs of a form without rounded factors, whose chunks have `stretch` tokens; of each sequence the states that enter them, and then the last one.
pub(in crate::mlstm) fn at_boundaries(x: &Numbers, cell: &Mlstm, stretch: usize, sums: DType) -> Truth {
    walk(x, cell, stretch.min(x.s) as f64, 0.0, sums, Some(stretch))
}

fn walk(x: &Numbers, cell: &Mlstm, order: f64, factor: f64, sums: DType, stretch: Option<usize>) -> Truth {
    let smallest = if sums == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let flush = smallest / sums.unit_roundoff();
    let (s, dqk, dv) = (x.s, x.dqk, x.dv);
    let scale = cell.scale.unwrap_or(1.0 / (dqk as f64).sqrt());
    let state = |sum: &Sum| (sum.value, sum.error + order * sum.size);
    let mut truth = Truth::default();
    for head in 0..x.heads {
        let mut c: Vec<Sum> = x.c[head * dqk * dv..][..dqk * dv].iter().map(|&c| Sum::start(c)).collect();
        let mut n: Vec<Sum> = x.n[head * dqk..][..dqk].iter().map(|&n| Sum::start(n)).collect();
        let (mut m, mut m_error, mut total) = (x.m[head], 0.0f64, 0.0);
        for t in head * s..(head + 1) * s {
            if stretch.is_some_and(|stretch| (t - head * s).is_multiple_of(stretch)) {
                truth.c.extend(c.iter().map(state));
                truth.n.extend(n.iter().map(state));
                truth.m.push((m, m_error));
            }
            let (q, k, v) = (&x.q[t * dqk..][..dqk], &x.k[t * dqk..][..dqk], &x.v[t * dv..][..dv]);
            let (f, i) = (capped(cell, x.f[t]), capped(cell, x.i[t]));
            let phi = log_sigmoid(f);
            let iota = if cell.input_gate == InputGate::Sigmoid { log_sigmoid(i) } else { i };
            let next = if cell.input_gate == InputGate::Sigmoid { 0.0 } else { f64::max(phi + m, iota) };
            // A prefix sum over the whole sequence, in two floats, is off by 2^-20 roundoffs of its size.
            total += phi.abs();
            let steepness = f.abs() / (1.0 + f.exp());
            let log_f_error = LOG * phi.abs() + if cell.gate_cap.is_some() { CAP * steepness } else { 0.0 };
            let log_i_error = LOG * iota.abs() + EXPONENT * next.abs() + total / 1048576.0;
            let token = Token {
                m: next,
                keep: (phi + m - next).exp(),
                take: (iota - next).exp(),
                drop: next - phi - m,
                log_f_error: log_f_error + total / 1048576.0,
                log_i_error,
            };
            m_error = match cell.input_gate {
                InputGate::Sigmoid => 0.0,
                InputGate::Exponential => {
                    let taken = if iota.is_finite() { log_i_error } else { 0.0 };
                    f64::max(m_error + token.log_f_error + (phi + m).abs(), taken) + next.abs()
                }
            };
            m = next;
            let roundings = dqk as f64 + order + PRODUCTS;
            let (mut z, mut reads) = (Sum::default(), vec![Sum::default(); dv]);
            for a in 0..dqk {
                for (b, read) in reads.iter_mut().enumerate() {
                    let c = &mut c[a * dv + b];
                    *c = c.after(&token, k[a] * v[b], factor, flush);
                    read.add(scale * q[a], c, roundings + factor);
                }
                n[a] = n[a].after(&token, k[a], factor, flush);
                z.add(scale * q[a], &n[a], roundings);
            }
            let (largest, error) = denominator(cell, z, m, m_error, sums.unit_roundoff(), smallest);
            truth.denominators.push((largest, error + largest * m_error));
            truth.stabilisers.push((m, m_error));
            let denominator = if cell.normalize { largest + cell.eps } else { largest };
            for (b, sum) in reads.into_iter().enumerate() {
                let h = sum.value / denominator;
                let h_error = sum.error / denominator
                    + h.abs() * (error / denominator + EXP + PRODUCTS)
                    + flush * (sum.value.abs() + h.abs());
                truth.h.push(match &x.o {
                    None => (h, h_error),
                    Some(o) => {
                        let gate = 1.0 / (1.0 + (-o[t * dv + b]).exp());
                        (gate * h, gate * (h_error + h.abs() * (EXP + PRODUCTS)) + flush * h.abs())
                    }
                });
            }
        }
        truth.c.extend(c.iter().map(state));
        truth.n.extend(n.iter().map(state));
        truth.m.push((m, m_error));
    }
    truth
}

/// max(|z|, exp(-m)), or exp(-m), with the error bound of what h is divided by. h is what it is for any m but for eps, which m's error therefore reaches.
fn denominator(cell: &Mlstm, z: Sum, m: f64, m_error: f64, roundoff: f64, smallest: f64) -> (f64, f64) {
    let floor = (-m).exp();
    let floor_error = floor * (EXP + 2.0 * m.abs()) + smallest / roundoff;
    if !cell.normalize {
        return (floor, floor_error);
    }
    let reach = z.value.abs() + roundoff * z.error;
    let error = if reach >= floor { z.error.max(floor_error) } else { floor_error };
    (z.value.abs().max(floor), error + cell.eps * (m_error + PRODUCTS))
}

fn capped(cell: &Mlstm, x: f64) -> f64 {
    match cell.gate_cap {
        Some(cap) => cap * (x / cap).tanh(),
        None => x,
    }
}

fn log_sigmoid(x: f64) -> f64 {
    if x < 0.0 { x - x.exp().ln_1p() } else { -(-x).exp().ln_1p() }
}
