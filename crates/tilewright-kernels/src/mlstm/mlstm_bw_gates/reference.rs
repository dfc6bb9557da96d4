//! The truth: sums over the tokens of a stretch, in f64.

use tilewright_core::DType;

use crate::mlstm::{InputGate, Mlstm};

/// The inputs of `heads` sequences, row-major.
pub(super) struct Numbers {
    pub(super) heads: usize,
    pub(super) s: usize,
    pub(super) dqk: usize,
    pub(super) stretch: usize,
    pub(super) boundaries: usize,
    pub(super) q: Vec<f64>,
    pub(super) k: Vec<f64>,
    pub(super) i: Vec<f64>,
    pub(super) f: Vec<f64>,
    pub(super) dq: Vec<f64>,
    pub(super) dk: Vec<f64>,
    /// Pairs that are multiplied and summed at each boundary: C with dC, n with dn.
    pub(super) pairs: [[Vec<f64>; 2]; 2],
}

/// Roundings of an exponential, of the quotient and products around it, and of a soft cap.
const EXP: f64 = 8.0;
const PRODUCTS: f64 = 6.0;
const CAP: f64 = 24.0;

/// A sum, and its absolute terms' sum.
type Sum = (f64, f64);

/// di, df and dm, with error bounds.
pub(super) fn mlstm_bw_gates(x: &Numbers, cell: &Mlstm, sums: DType) -> [Vec<Sum>; 3] {
    // What is below the smallest normal f32 may become 0, in roundoffs.
    let smallest = if sums == DType::F64 { f64::MIN_POSITIVE } else { f64::from(f32::MIN_POSITIVE) };
    let flush = smallest / sums.unit_roundoff();
    let mut by = [Vec::new(), Vec::new(), Vec::new()];
    for head in 0..x.heads {
        let over = |boundary: usize| {
            let place = head * x.boundaries + boundary;
            let mut sum = (0.0, 0.0);
            for [a, b] in &x.pairs {
                let own = a.len() / (x.heads * x.boundaries);
                let one = dot(&a[place * own..][..own], &b[place * own..][..own]);
                sum = (sum.0 + one.0, sum.1 + one.1);
            }
            sum
        };
        let of_state = (x.pairs[0][0].len() + x.pairs[1][0].len()) / (x.heads * x.boundaries);
        for t in 0..x.s {
            let gate = head * x.s + t;
            let row = |of: &[f64], t: usize| of[(head * x.s + t) * x.dqk..][..x.dqk].to_vec();
            let through_key = dot(&row(&x.k, t), &row(&x.dk, t));
            let (slope, error) = input_slope(cell, x.i[gate]);
            let roundings = x.dqk as f64 + PRODUCTS + error;
            by[0].push((
                through_key.0 * slope,
                through_key.1 * slope * roundings + flush * (1.0 + through_key.1),
            ));
            let index = t / x.stretch;
            let end = x.s.min((index + 1) * x.stretch);
            let mut flow = over(index + 1);
            for u in t..end {
                let (plus, minus) = (dot(&row(&x.q, u), &row(&x.dq, u)), dot(&row(&x.k, u), &row(&x.dk, u)));
                flow = (flow.0 + plus.0 - minus.0, flow.1 + plus.1 + minus.1);
            }
            let (slope, error) = forget_slope(cell, x.f[gate]);
            let roundings = (x.dqk + of_state + end - t) as f64 + PRODUCTS + error;
            by[1].push((flow.0 * slope, flow.1 * slope * roundings + flush * (1.0 + flow.1)));
        }
        let first = over(0);
        by[2].push((first.0, first.1 * (of_state as f64 + PRODUCTS) + flush));
    }
    by
}

fn dot(a: &[f64], b: &[f64]) -> Sum {
    a.iter().zip(b).fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a * b, sum.1 + (a * b).abs()))
}

/// The derivatives of the logarithms of the gates by what they are made of, with the relative errors.
fn input_slope(cell: &Mlstm, i: f64) -> (f64, f64) {
    let (capped, cap, error) = cap(cell, i);
    match cell.input_gate {
        InputGate::Exponential => (cap, error),
        InputGate::Sigmoid => (sigmoid(-capped) * cap, EXP + PRODUCTS + error),
    }
}

fn forget_slope(cell: &Mlstm, f: f64) -> (f64, f64) {
    let (capped, cap, error) = cap(cell, f);
    (sigmoid(-capped) * cap, EXP + PRODUCTS + error)
}

/// The capped number, and the derivative of the cap with what it costs.
fn cap(cell: &Mlstm, x: f64) -> (f64, f64, f64) {
    let capped = |cap: f64| {
        let of = x / cap;
        (cap * of.tanh(), of.cosh().powi(-2), CAP * (1.0 + x.abs() + of.abs()))
    };
    cell.gate_cap.map_or((x, 1.0, 0.0), capped)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
