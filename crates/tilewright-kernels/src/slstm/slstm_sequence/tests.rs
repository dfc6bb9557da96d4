//! Properties that cases cannot say.

use tilewright_core::{Case, DType, Stream, Tensor, Tier};

use super::slstm_sequence;
use crate::slstm::{ForgetGate, Slstm, SlstmState, registry, samples, slstm_step};

fn case(sizes: [usize; 4], dtype: DType, data: &'static str) -> Case {
    registry::case(Tier::Edge, sizes, dtype).data(data)
}

fn run(tensors: &[Tensor], cell: &Slstm) -> (Tensor, SlstmState) {
    let (x, r, state) = registry::inputs("test", tensors).unwrap();
    slstm_sequence(&Stream::cpu(), x, r, state.as_ref(), cell).unwrap()
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.to_bytes().unwrap()
}

/// Equations 8 to 14 of the paper as they stand, without a stabiliser: an independent truth where nothing overflows.
#[test]
fn it_is_the_recurrence_without_a_stabiliser() {
    let tensors = samples::inputs(&case([2, 2, 6, 3], DType::F64, "strided")).unwrap();
    for forget_gate in [ForgetGate::Sigmoid, ForgetGate::Exponential] {
        let (h, _) = run(&tensors[..2], &Slstm { forget_gate });
        let (x, r) = (tensors[0].to_f64_vec().unwrap(), tensors[1].to_f64_vec().unwrap());
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mut plain = Vec::new();
        for place in 0..4 {
            let (mut c, mut n, mut seen) = ([0.0; 3], [0.0; 3], [0.0; 3]);
            for t in 0..6 {
                let before = seen;
                for e in 0..3 {
                    let gate = |g: usize| {
                        let weights = &r[((place % 2 * 4 + g) * 3 + e) * 3..][..3];
                        let product: f64 = weights.iter().zip(&before).map(|(r, h)| r * h).sum();
                        x[((place * 6 + t) * 4 + g) * 3 + e] + product
                    };
                    let forget =
                        if forget_gate == ForgetGate::Sigmoid { sigma(gate(2)) } else { gate(2).exp() };
                    c[e] = forget * c[e] + gate(1).exp() * gate(0).tanh();
                    n[e] = forget * n[e] + gate(1).exp();
                    seen[e] = sigma(gate(3)) * c[e] / n[e];
                }
                plain.extend(seen);
            }
        }
        for (got, plain) in h.to_f64_vec().unwrap().iter().zip(&plain) {
            assert!((got - plain).abs() < 1e-13, "{got} {plain}");
        }
    }
}

#[test]
fn a_sequence_in_pieces_and_by_steps_is_one_sequence_bit_for_bit() {
    let tensors = samples::inputs(&case([5, 3, 7, 9], DType::F32, "state")).unwrap();
    let (whole, last) = run(&tensors, &Slstm::default());
    let part = |range: std::ops::Range<usize>, state: [Tensor; 4]| {
        let mut part = vec![tensors[0].slice(2, range).unwrap(), tensors[1].clone()];
        part.extend(state);
        run(&part, &Slstm::default())
    };
    let (first, between) = part(0..3, [2, 3, 4, 5].map(|index| tensors[index].clone()));
    let (second, end) = part(3..7, [&between.c, &between.n, &between.h, &between.m].map(Tensor::clone));
    assert_eq!(bytes(&whole.slice(2, 0..3).unwrap()), bytes(&first));
    assert_eq!(bytes(&whole.slice(2, 3..7).unwrap()), bytes(&second));
    let mut state = between;
    for t in 3..7 {
        let x = tensors[0].select(2, t).unwrap();
        let (h, next) = slstm_step(&Stream::cpu(), &x, &tensors[1], &state, &Slstm::default()).unwrap();
        assert_eq!(bytes(&h), bytes(&whole.select(2, t).unwrap()), "token {t}");
        state = next;
    }
    for (one, other) in
        last.parts().into_iter().zip(end.parts()).chain(last.parts().into_iter().zip(state.parts()))
    {
        assert_eq!(bytes(one), bytes(other));
    }
}

#[test]
fn another_stabiliser_of_the_same_state_changes_nothing() {
    let tensors = samples::inputs(&case([2, 2, 5, 4], DType::F64, "state")).unwrap();
    let (h, _) = run(&tensors, &Slstm::default());
    let map = |tensor: &Tensor, change: &dyn Fn(f64) -> f64| {
        let values: Vec<f64> = tensor.to_f64_vec().unwrap().into_iter().map(change).collect();
        Tensor::from_f64(&values, DType::F64, tensor.shape()).unwrap()
    };
    let mut moved = tensors.clone();
    moved[2] = map(&tensors[2], &|c| c * (-3f64).exp());
    moved[3] = map(&tensors[3], &|n| n * (-3f64).exp());
    moved[5] = map(&tensors[5], &|m| m + 3.0);
    for (a, b) in h.to_f64_vec().unwrap().iter().zip(run(&moved, &Slstm::default()).0.to_f64_vec().unwrap()) {
        assert!((a - b).abs() < 1e-13, "{a} {b}");
    }
}

#[test]
fn sequences_and_heads_know_nothing_of_each_other() {
    let tensors = samples::inputs(&case([6, 3, 5, 7], DType::F32, "state")).unwrap();
    let (whole, last) = run(&tensors, &Slstm::default());
    for (b, nh) in [(0, 2), (4, 0), (5, 1)] {
        let one = |tensor: &Tensor| tensor.slice(0, b..b + 1).unwrap().slice(1, nh..nh + 1).unwrap();
        let mut alone: Vec<Tensor> = [0, 2, 3, 4, 5].map(|index: usize| one(&tensors[index])).to_vec();
        alone.insert(1, tensors[1].slice(0, nh..nh + 1).unwrap());
        let (h, end) = run(&alone, &Slstm::default());
        assert_eq!(bytes(&one(&whole)), bytes(&h));
        assert_eq!(bytes(&one(&last.c)), bytes(&end.c));
    }
}

#[test]
fn gates_far_out_of_range_leave_everything_finite() {
    for forget_gate in [ForgetGate::Sigmoid, ForgetGate::Exponential] {
        for data in ["wide", "masked"] {
            let tensors = samples::inputs(&case([2, 2, 40, 7], DType::F32, data)).unwrap();
            let (h, state) = run(&tensors, &Slstm { forget_gate });
            for part in [&h, &state.c, &state.n, &state.h, &state.m] {
                assert!(part.to_f64_vec().unwrap().iter().all(|x| x.is_finite()));
            }
            assert!(h.to_f64_vec().unwrap().iter().all(|h| h.abs() <= 3.0));
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let (x, r) = (zeros(DType::F32, &[2, 3, 5, 4, 6]), zeros(DType::F32, &[3, 4, 6, 6]));
    let part = zeros(DType::F32, &[2, 3, 6]);
    let state = SlstmState { c: part.clone(), n: part.clone(), h: part.clone(), m: part };
    let error = |x: &Tensor, r: &Tensor, state: &SlstmState| {
        slstm_sequence(&Stream::cpu(), x, r, Some(state), &Slstm::default()).unwrap_err().to_string()
    };
    for (error, part) in [
        (error(&r, &r, &state), "slstm_sequence: x has shape [3, 4, 6, 6], expected [b, nh, s, 4, d]"),
        (
            error(&x, &zeros(DType::F32, &[3, 4, 6, 5]), &state),
            "r has shape [3, 4, 6, 5], expected [3, 4, 6, 6]",
        ),
        (error(&x, &zeros(DType::F16, &[3, 4, 6, 6]), &state), "r has dtype f16, expected f32"),
        (
            error(&x, &r, &SlstmState { h: zeros(DType::F32, &[2, 3, 5]), ..state.clone() }),
            "h has shape [2, 3, 5]",
        ),
        (error(&x, &r, &SlstmState { m: zeros(DType::F64, &[2, 3, 6]), ..state.clone() }), "m has dtype f64"),
        (error(&zeros(DType::I32, &[2, 3, 5, 4, 6]), &r, &state), "x has dtype i32"),
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = slstm_step(&Stream::cpu(), &x, &r, &state, &Slstm::default()).unwrap_err().to_string();
    assert!(error.contains("slstm_step: x has shape [2, 3, 5, 4, 6], expected [b, nh, 4, d]"), "{error}");
    assert!("cosine".parse::<ForgetGate>().unwrap_err().to_string().contains("forget_gate is cosine"));
}
