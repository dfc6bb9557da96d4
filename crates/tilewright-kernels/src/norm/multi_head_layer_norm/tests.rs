use tilewright_core::{DType, Stream, Tensor};

use super::{multi_head_layer_norm, multi_head_layer_norm_gated};
use crate::norm::{Norm, multi_head_layer_norm_bw, multi_head_layer_norm_gated_bw};

fn zeros(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::zeros(dtype, shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let error = |x: &Tensor, weight: &Tensor, eps: f64| {
        multi_head_layer_norm(&Stream::cpu(), x, weight, &Norm { eps }).unwrap_err().to_string()
    };
    let x = zeros(DType::F32, &[4, 2, 3]);
    let weight = zeros(DType::F32, &[2, 3]);
    for (error, part) in [
        (error(&x, &zeros(DType::F32, &[4]), 0.0), "weight has shape [4], expected [2, 3] as the rows of x"),
        (error(&x, &zeros(DType::F16, weight.dims()), 0.0), "weight has dtype f16, expected f32"),
        (error(&zeros(DType::I32, &[4, 2, 3]), &weight, 0.0), "x has dtype i32"),
        (error(&Tensor::scalar(1.0f32), &weight, 0.0), "x has shape [], expected [.., nh, n]"),
        (error(&x, &weight, -1.0), "eps is -1, expected a finite number >= 0"),
        (error(&x, &weight, f64::NAN), "eps is NaN"),
    ] {
        assert!(error.starts_with("multi_head_layer_norm: ") && error.contains(part), "{error}");
    }
    let dy = zeros(DType::F32, &[4, 3, 2]);
    let error =
        multi_head_layer_norm_bw(&Stream::cpu(), &dy, &x, &weight, &Norm::default()).unwrap_err().to_string();
    assert!(
        error.contains("multi_head_layer_norm_bw: dy has shape [4, 3, 2], expected [4, 2, 3] as x"),
        "{error}"
    );
    let error = multi_head_layer_norm_gated_bw(&Stream::cpu(), &x, &x, &weight, &dy, &Norm::default());
    let error = error.unwrap_err().to_string();
    assert!(error.contains("gate has shape [4, 3, 2], expected [4, 2, 3] as x"), "{error}");
}

/// The gradients are the slopes, by central differences in f64.
#[test]
fn the_gradients_are_the_slopes() {
    let wave =
        |count: usize, from: f64| (0..count).map(|i| (from + 1.7 * i as f64).sin()).collect::<Vec<_>>();
    let (x, weight, dy) = (wave(30, 0.3), wave(10, 1.0), wave(30, 2.0));
    let tensor = |values: &[f64], shape: &[usize]| Tensor::from_f64(values, DType::F64, shape).unwrap();
    let own: &[usize] = &[2, 5];
    let args = Norm { eps: 0.05 };
    let loss = |x: &[f64], weight: &[f64]| -> f64 {
        let out = multi_head_layer_norm(&Stream::cpu(), &tensor(x, &[3, 2, 5]), &tensor(weight, own), &args)
            .unwrap();
        out.to_vec::<f64>().unwrap().iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let by = multi_head_layer_norm_bw(
        &Stream::cpu(),
        &tensor(&dy, &[3, 2, 5]),
        &tensor(&x, &[3, 2, 5]),
        &tensor(&weight, own),
        &args,
    );
    let by = by.unwrap();
    let h = 1e-5;
    let moved = |values: &[f64], at: usize, by: f64| {
        let mut values = values.to_vec();
        values[at] += by;
        values
    };
    for (at, slope) in by.x.to_vec::<f64>().unwrap().into_iter().enumerate() {
        let difference = (loss(&moved(&x, at, h), &weight) - loss(&moved(&x, at, -h), &weight)) / (2.0 * h);
        assert!((difference - slope).abs() < 1e-8, "x {at}: {difference} and {slope}");
    }
    for (at, slope) in by.weight.to_vec::<f64>().unwrap().into_iter().enumerate() {
        let difference = (loss(&x, &moved(&weight, at, h)) - loss(&x, &moved(&weight, at, -h))) / (2.0 * h);
        assert!((difference - slope).abs() < 1e-8, "weight {at}: {difference} and {slope}");
    }
}

/// Through a gate too, by it as well.
#[test]
fn the_gradients_through_a_gate_are_the_slopes() {
    let wave =
        |count: usize, from: f64| (0..count).map(|i| (from + 1.7 * i as f64).sin()).collect::<Vec<_>>();
    let gate: Vec<f64> = (0..30).map(|i| 6.0 * (i as f64).cos()).collect();
    let mut given = [wave(30, 0.3), wave(10, 1.0), gate];
    let dy = wave(30, 2.0);
    let all: &[usize] = &[3, 2, 5];
    let args = Norm { eps: 0.05 };
    let tensors = |[x, weight, gate]: &[Vec<f64>; 3]| {
        [(x, all), (weight, &[2, 5]), (gate, all)]
            .map(|(values, shape)| Tensor::from_f64(values, DType::F64, shape).unwrap())
    };
    let loss = |given: &[Vec<f64>; 3]| -> f64 {
        let [x, weight, gate] = tensors(given);
        let out = multi_head_layer_norm_gated(&Stream::cpu(), &x, &weight, &gate, &args).unwrap();
        out.to_vec::<f64>().unwrap().iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let [x, weight, gate] = tensors(&given);
    let dy_tensor = Tensor::from_f64(&dy, DType::F64, all).unwrap();
    let by = multi_head_layer_norm_gated_bw(&Stream::cpu(), &dy_tensor, &x, &weight, &gate, &args).unwrap();
    let h = 1e-5;
    for (which, by) in [by.x, by.weight, by.gate.unwrap()].into_iter().enumerate() {
        for (at, slope) in by.to_vec::<f64>().unwrap().into_iter().enumerate() {
            let mut moved = |by: f64| {
                given[which][at] += by;
                let value = loss(&given);
                given[which][at] -= by;
                value
            };
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            assert!((difference - slope).abs() < 1e-8, "{which} {at}: {difference} and {slope}");
        }
    }
}
