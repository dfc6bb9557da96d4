use tilewright_core::{DType, Stream, Tensor};

use super::{CausalConvInputs, causal_conv};
use crate::conv::causal_conv_bw;

fn wave(from: f64, shape: &[usize]) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|i| (from + 1.7 * i as f64).sin()).collect();
    Tensor::from_vec(values, shape).unwrap()
}

#[test]
fn pieces_with_their_states_are_the_whole() {
    let (x, weight, bias) = (wave(0.1, &[2, 9, 3]), wave(1.0, &[3, 4]), wave(2.0, &[3]));
    let run = |x: &Tensor, state: Option<&Tensor>| {
        let inputs = CausalConvInputs { x, weight: &weight, bias: Some(&bias), state };
        causal_conv(&Stream::cpu(), &inputs).unwrap()
    };
    let whole = run(&x, None);
    for cut in [3, 5, 8] {
        let rest = run(&x.slice(1, cut..9).unwrap(), Some(&x.slice(1, cut - 3..cut).unwrap()));
        assert_eq!(rest.to_vec::<f64>().unwrap(), whole.slice(1, cut..9).unwrap().to_vec::<f64>().unwrap());
    }
}

/// The gradients are the slopes, by central differences in f64.
#[test]
fn the_gradients_are_the_slopes() {
    let shapes: [&[usize]; 4] = [&[2, 6, 3], &[3, 4], &[3], &[2, 3, 3]];
    let tensors: Vec<Tensor> = shapes.iter().enumerate().map(|(i, shape)| wave(i as f64, shape)).collect();
    let dy = wave(9.0, &[2, 6, 3]);
    let loss = |t: &[Tensor]| -> f64 {
        let inputs = CausalConvInputs { x: &t[0], weight: &t[1], bias: Some(&t[2]), state: Some(&t[3]) };
        let out = causal_conv(&Stream::cpu(), &inputs).unwrap().to_vec::<f64>().unwrap();
        out.iter().zip(dy.to_vec::<f64>().unwrap()).map(|(y, dy)| y * dy).sum()
    };
    let inputs =
        CausalConvInputs { x: &tensors[0], weight: &tensors[1], bias: None, state: Some(&tensors[3]) };
    let by = causal_conv_bw(&Stream::cpu(), &dy, &inputs).unwrap();
    let by_state = by.state.expect("there is a state");
    for (which, by) in [&by.x, &by.weight, &by.bias, &by_state].into_iter().enumerate() {
        for (at, slope) in by.to_vec::<f64>().unwrap().into_iter().enumerate() {
            let moved = |by: f64| {
                let mut tensors = tensors.clone();
                let mut values = tensors[which].to_vec::<f64>().unwrap();
                values[at] += by;
                tensors[which] = Tensor::from_vec(values, shapes[which]).unwrap();
                loss(&tensors)
            };
            let difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((difference - slope).abs() < 1e-9, "{which} at {at}: {difference} and {slope}");
        }
    }
}

/// A text in two pieces, the second from the last tokens of the first, gives the gradients of the whole: what the second says of its state is added to
/// what the first says of those tokens.
#[test]
fn gradients_of_pieces_are_those_of_the_whole() {
    let (x, weight, dy) = (wave(0.1, &[2, 9, 3]), wave(1.0, &[3, 4]), wave(2.0, &[2, 9, 3]));
    let run = |from: usize, to: usize, state: Option<&Tensor>| {
        let (x, dy) = (x.slice(1, from..to).unwrap(), dy.slice(1, from..to).unwrap());
        let inputs = CausalConvInputs { x: &x, weight: &weight, bias: None, state };
        causal_conv_bw(&Stream::cpu(), &dy, &inputs).unwrap()
    };
    let values = |tensor: &Tensor| tensor.to_f64_vec().unwrap();
    let whole = run(0, 9, None);
    assert!(whole.state.is_none());
    for cut in [3, 5, 8] {
        let (first, second) = (run(0, cut, None), run(cut, 9, Some(&x.slice(1, cut - 3..cut).unwrap())));
        let mut dx = vec![vec![]; 2];
        for (text, dx) in dx.iter_mut().enumerate() {
            let of = |by: &Tensor| values(&by.select(0, text).unwrap());
            *dx = of(&first.x);
            let tail = dx.len() - 9;
            let by_state = of(second.state.as_ref().unwrap());
            dx[tail..].iter_mut().zip(by_state).for_each(|(dx, by)| *dx += by);
            dx.extend(of(&second.x));
        }
        for (pieces, whole) in dx.concat().iter().zip(values(&whole.x)) {
            assert!((pieces - whole).abs() < 1e-13, "{cut}: {pieces} {whole}");
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let (x, weight) = (zeros(&[2, 5, 3]), zeros(&[3, 4]));
    let usual = CausalConvInputs { x: &x, weight: &weight, bias: None, state: None };
    let error = |inputs: CausalConvInputs<'_>| causal_conv(&Stream::cpu(), &inputs).unwrap_err().to_string();
    let half = Tensor::zeros(DType::F16, [3, 4]).unwrap();
    for (error, part) in [
        (error(CausalConvInputs { x: &weight, ..usual }), "x has shape [3, 4], expected [b, s, d]"),
        (error(CausalConvInputs { weight: &x, ..usual }), "weight has shape [2, 5, 3], expected [3, w]"),
        (
            error(CausalConvInputs { weight: &zeros(&[2, 4]), ..usual }),
            "weight has shape [2, 4], expected [3, 4]",
        ),
        (
            error(CausalConvInputs { weight: &zeros(&[3, 9]), ..usual }),
            "taps of weight is 9, expected 1 to 8",
        ),
        (error(CausalConvInputs { weight: &zeros(&[3, 0]), ..usual }), "taps of weight is 0"),
        (error(CausalConvInputs { weight: &half, ..usual }), "weight has dtype f16, expected f32"),
        (error(CausalConvInputs { bias: Some(&weight), ..usual }), "bias has shape [3, 4], expected [3]"),
        (
            error(CausalConvInputs { state: Some(&x), ..usual }),
            "state has shape [2, 5, 3], expected [2, 3, 3]",
        ),
    ] {
        assert!(error.starts_with("causal_conv: ") && error.contains(part), "{error}");
    }
    let error = causal_conv_bw(&Stream::cpu(), &weight, &usual).unwrap_err().to_string();
    assert!(error.contains("causal_conv_bw: dy has shape [3, 4], expected [2, 5, 3] as x"), "{error}");
}
