//! The truth: the quadratic form in f64. How far rounding may lead is what the recurrence says.

use tilewright_core::DType;

use crate::mlstm::mlstm_sequence::reference::{self, Numbers};
use crate::mlstm::{InputGate, Mlstm};

/// h with its error bounds.
pub(super) fn mlstm_parallel(x: &Numbers, cell: &Mlstm, sums: DType) -> Vec<(f64, f64)> {
    let bounds = reference::mlstm_sequence(x, cell, x.s as f64, sums).h;
    let log_sigmoid = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    let capped = |x: f64| cell.gate_cap.map_or(x, |cap| cap * (x / cap).tanh());
    let scale = cell.scale.unwrap_or(1.0 / (x.dqk as f64).sqrt());
    let sigmoid = cell.input_gate == InputGate::Sigmoid;
    let mut h = Vec::with_capacity(bounds.len());
    for head in 0..x.heads {
        let at = |j: usize| head * x.s + j;
        for t in 0..x.s {
            // From the diagonal down: D_tj = phi_t + .. + phi_{j+1} + i_j.
            let mut decay = 0.0;
            let mut exponents = vec![0.0; t + 1];
            for j in (0..=t).rev() {
                let input = capped(x.i[at(j)]);
                exponents[j] = decay + if sigmoid { log_sigmoid(input) } else { input };
                decay += log_sigmoid(capped(x.f[at(j)]));
            }
            let m = if sigmoid { 0.0 } else { exponents.iter().fold(decay, |m: f64, d| m.max(*d)) };
            let scores = (0..=t).map(|j| {
                let (q, k) = (&x.q[at(t) * x.dqk..][..x.dqk], &x.k[at(j) * x.dqk..][..x.dqk]);
                let product: f64 = q.iter().zip(k).map(|(q, k)| scale * q * k).sum();
                product * (exponents[j] - m).exp()
            });
            let scores: Vec<f64> = scores.collect();
            let floor = (-m).exp();
            let z: f64 = scores.iter().sum();
            let denominator = if cell.normalize { z.abs().max(floor) + cell.eps } else { floor };
            for b in 0..x.dv {
                let sum: f64 = (0..=t).map(|j| scores[j] * x.v[at(j) * x.dv + b]).sum();
                let gate = x.o.as_ref().map_or(1.0, |o| 1.0 / (1.0 + (-o[at(t) * x.dv + b]).exp()));
                h.push(gate * sum / denominator);
            }
        }
    }
    h.into_iter().zip(bounds).map(|(h, (_, error))| (h, error)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlstm::{registry, samples};
    use tilewright_core::{Case, Tier};

    /// Two truths that share nothing but the inputs.
    #[test]
    fn the_quadratic_form_is_the_recurrence() {
        let cell = Mlstm::default();
        for data in ["", "vector"] {
            let case: Case = registry::case(Tier::Edge, [1, 1, 5, 2, 3], DType::F64).data(data);
            let x = Numbers::new(&samples::inputs(&case).unwrap()).unwrap();
            for cell in
                [cell, Mlstm { input_gate: InputGate::Sigmoid, ..cell }, Mlstm { normalize: false, ..cell }]
            {
                let recurrent = reference::mlstm_sequence(&x, &cell, 0.0, DType::F64).h;
                for ((a, _), (b, _)) in mlstm_parallel(&x, &cell, DType::F64).iter().zip(recurrent) {
                    assert!((a - b).abs() < 1e-13 * (1.0 + b.abs()), "{a} {b}");
                }
            }
        }
    }
}
