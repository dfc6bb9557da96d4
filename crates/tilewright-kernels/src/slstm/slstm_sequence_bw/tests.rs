//! Central differences, and properties that cases cannot say.

use tilewright_core::{Case, DType, Stream, Tensor, Tier};

use super::cases::numbers;
use super::reference::{self, Loss};
use super::{SlstmGradients, SlstmLoss, slstm_sequence_bw};
use crate::slstm::slstm_sequence::reference::{Numbers, slstm_sequence};
use crate::slstm::{ForgetGate, Slstm, SlstmState, registry, samples};

fn run(inputs: &[Tensor], cell: &Slstm) -> SlstmGradients {
    let state = inputs.get(3..7).map(|parts| SlstmState {
        c: parts[0].clone(),
        n: parts[1].clone(),
        h: parts[2].clone(),
        m: parts[3].clone(),
    });
    let last = inputs.get(7..10).map(|last| [&last[0], &last[1], &last[2]]);
    let loss = SlstmLoss { h: &inputs[2], last };
    slstm_sequence_bw(&Stream::cpu(), &inputs[0], &inputs[1], state.as_ref(), &loss, cell).unwrap()
}

/// The loss: a weighted sum of h, of the last h, and of c exp(m) and n exp(m) at weights that make `loss.last` its gradients by c and n.
fn loss_of(x: &Numbers, loss: &Loss, cell: &Slstm, m_last: &[f64]) -> f64 {
    let [h, c, n, h_last, m] = slstm_sequence(x, cell);
    let weighted =
        |part: &[(f64, f64)], by: &[f64]| -> f64 { part.iter().zip(by).map(|((x, _), w)| x * w).sum() };
    let mut sum = weighted(&h, &loss.h) + weighted(&h_last, &loss.last[2]);
    for (unit, m_last) in m_last.iter().enumerate() {
        let scale = (m[unit].0 - m_last).exp();
        sum += scale * (c[unit].0 * loss.last[0][unit] + n[unit].0 * loss.last[1][unit]);
    }
    sum
}

#[test]
fn the_truth_is_what_central_differences_say() {
    for (seed, forget_gate) in [ForgetGate::Sigmoid, ForgetGate::Exponential].into_iter().enumerate() {
        let cell = Slstm { forget_gate };
        let case = registry::case(Tier::Edge, [2, 2, 5, 3], DType::F64).data("state");
        let inputs = samples::with_loss(&Case { seed: seed as u64 + 3, ..case }).unwrap();
        let (mut x, loss) = numbers(&inputs).unwrap();
        let truth = reference::slstm_sequence_bw(&x, &loss, &cell);
        let native = run(&inputs, &cell);
        let native =
            [&native.x, &native.r, &native.state.c, &native.state.n, &native.state.h, &native.state.m]
                .map(|part| part.to_f64_vec().unwrap());
        let m_last: Vec<f64> = slstm_sequence(&x, &cell)[4].iter().map(|(m, _)| *m).collect();
        let parts: [fn(&mut Numbers) -> &mut Vec<f64>; 6] = [
            |x| &mut x.x,
            |x| &mut x.r,
            |x| &mut x.state[0],
            |x| &mut x.state[1],
            |x| &mut x.state[2],
            |x| &mut x.state[3],
        ];
        let mut judged = 0;
        for ((part, truth), native) in parts.into_iter().zip(truth).zip(native) {
            assert_eq!(truth.len(), native.len());
            for (at, ((truth, _), native)) in truth.into_iter().zip(native).enumerate() {
                let step = 1e-5;
                let mut moved = |by: f64| {
                    part(&mut x)[at] += by;
                    let value = loss_of(&x, &loss, &cell, &m_last);
                    part(&mut x)[at] -= by;
                    value
                };
                let slope = (moved(step) - moved(-step)) / (2.0 * step);
                assert!((slope - truth).abs() < 1e-7 * (1.0 + truth.abs()), "{cell:?} {at}: {slope} {truth}");
                assert!(
                    (native - truth).abs() < 1e-12 * (1.0 + truth.abs()),
                    "{cell:?} {at}: {native} {truth}"
                );
                judged += 1;
            }
        }
        assert_eq!(judged, 2 * 2 * 5 * 4 * 3 + 2 * 4 * 9 + 4 * 12);
    }
}

/// A sequence in two parts: the loss of the first part's state is the gradient by the second's.
#[test]
fn gradients_are_carried_from_part_to_part() {
    let inputs =
        samples::with_loss(&registry::case(Tier::Edge, [3, 2, 8, 4], DType::F64).data("state")).unwrap();
    let cell = Slstm::default();
    let whole = run(&inputs, &cell);
    let cut = |range: std::ops::Range<usize>| {
        [0, 2].map(|index: usize| inputs[index].slice(2, range.clone()).unwrap())
    };
    let ([x1, dh1], [x2, dh2]) = (cut(0..3), cut(3..8));
    let state =
        SlstmState { c: inputs[3].clone(), n: inputs[4].clone(), h: inputs[5].clone(), m: inputs[6].clone() };
    let (_, between) =
        crate::slstm::slstm_sequence(&Stream::cpu(), &x1, &inputs[1], Some(&state), &cell).unwrap();
    let between = between.parts().map(Tensor::clone);
    let second = [vec![x2, inputs[1].clone(), dh2], between.to_vec(), inputs[7..].to_vec()].concat();
    let second = run(&second, &cell);
    let last = [&second.state.c, &second.state.n, &second.state.h].map(Tensor::clone);
    let first = [vec![x1, inputs[1].clone(), dh1], inputs[3..7].to_vec(), last.to_vec()].concat();
    let first = run(&first, &cell);
    let near = |a: &Tensor, b: &[f64]| {
        for (a, b) in a.to_f64_vec().unwrap().iter().zip(b) {
            assert!((a - b).abs() < 1e-13 * (1.0 + b.abs()), "{a} {b}");
        }
    };
    let values = |tensor: &Tensor| tensor.to_f64_vec().unwrap();
    near(&whole.x.slice(2, 0..3).unwrap(), &values(&first.x));
    near(&whole.x.slice(2, 3..8).unwrap(), &values(&second.x));
    let sum: Vec<f64> = values(&first.r).iter().zip(values(&second.r)).map(|(a, b)| a + b).collect();
    near(&whole.r, &sum);
    for (whole, first) in whole.state.parts().into_iter().zip(first.state.parts()) {
        near(whole, &values(first));
    }
}

#[test]
fn wrong_gradients_are_named() {
    let inputs =
        samples::with_loss(&registry::case(Tier::Edge, [1, 2, 3, 4], DType::F64).data("state")).unwrap();
    let error = |loss: SlstmLoss<'_>| {
        slstm_sequence_bw(&Stream::cpu(), &inputs[0], &inputs[1], None, &loss, &Slstm::default())
            .unwrap_err()
            .to_string()
    };
    let (single, right) = (Tensor::zeros(DType::F32, [1, 2, 4]).unwrap(), &inputs[7]);
    for (error, part) in [
        (
            error(SlstmLoss { h: &inputs[0], last: None }),
            "dh has shape [1, 2, 3, 4, 4], expected [1, 2, 3, 4]",
        ),
        (
            error(SlstmLoss { h: &inputs[2], last: Some([right, &inputs[2], right]) }),
            "dn_last has shape [1, 2, 3, 4]",
        ),
        (error(SlstmLoss { h: &inputs[2], last: Some([right, right, &single]) }), "dh_last has dtype f32"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
