use tilewright_core::{DType, Stream, Tensor};

use super::rms_norm;
use crate::norm::{Norm, rms_norm_bw};

fn zeros(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::zeros(dtype, shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let error = |x: &Tensor, weight: &Tensor, eps: f64| {
        rms_norm(&Stream::cpu(), x, weight, &Norm { eps }).unwrap_err().to_string()
    };
    let x = zeros(DType::F32, &[4, 2, 3]);
    let weight = zeros(DType::F32, &[3]);
    for (error, part) in [
        (error(&x, &zeros(DType::F32, &[4]), 0.0), "weight has shape [4], expected [3] as the rows of x"),
        (error(&x, &zeros(DType::F16, weight.dims()), 0.0), "weight has dtype f16, expected f32"),
        (error(&zeros(DType::I32, &[4, 2, 3]), &weight, 0.0), "x has dtype i32"),
        (error(&Tensor::scalar(1.0f32), &weight, 0.0), "x has shape [], expected [.., n]"),
        (error(&x, &weight, -1.0), "eps is -1, expected a finite number >= 0"),
        (error(&x, &weight, f64::NAN), "eps is NaN"),
    ] {
        assert!(error.starts_with("rms_norm: ") && error.contains(part), "{error}");
    }
    let dy = zeros(DType::F32, &[4, 3, 2]);
    let error = rms_norm_bw(&Stream::cpu(), &dy, &x, &weight, &Norm::default()).unwrap_err().to_string();
    assert!(error.contains("rms_norm_bw: dy has shape [4, 3, 2], expected [4, 2, 3] as x"), "{error}");
}

/// The gradients are the slopes, by central differences in f64.
#[test]
fn the_gradients_are_the_slopes() {
    let wave =
        |count: usize, from: f64| (0..count).map(|i| (from + 1.7 * i as f64).sin()).collect::<Vec<_>>();
    let (x, weight, dy) = (wave(30, 0.3), wave(5, 1.0), wave(30, 2.0));
    let tensor = |values: &[f64], shape: &[usize]| Tensor::from_f64(values, DType::F64, shape).unwrap();
    let own: &[usize] = &[5];
    let args = Norm { eps: 0.05 };
    let loss = |x: &[f64], weight: &[f64]| -> f64 {
        let out = rms_norm(&Stream::cpu(), &tensor(x, &[3, 2, 5]), &tensor(weight, own), &args).unwrap();
        out.to_vec::<f64>().unwrap().iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    };
    let by = rms_norm_bw(
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
