use tilewright_core::{DType, Stream, Tensor};

use super::{Activation, Glu, glu};
use crate::elementwise::glu_bw;

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let error = |a: &Tensor, b: &Tensor| glu(&Stream::cpu(), a, b, &Glu::default()).unwrap_err().to_string();
    let a = zeros(DType::F32, &[2, 3]);
    for (error, part) in [
        (error(&zeros(DType::I64, &[2]), &a), "glu: a has dtype i64"),
        (error(&a, &zeros(DType::F16, &[2, 3])), "glu: b has dtype f16, expected f32"),
        (error(&a, &zeros(DType::F32, &[3, 2])), "glu: b has shape [3, 2], expected [2, 3] as a"),
        (
            "relu".parse::<Activation>().unwrap_err().to_string(),
            "activation is relu, expected silu or sigmoid",
        ),
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = glu_bw(&Stream::cpu(), &zeros(DType::F32, &[3]), &a, &a, &Glu::default()).unwrap_err();
    assert!(error.to_string().contains("glu_bw: a has shape [2, 3], expected [3] as dy"), "{error}");
}

/// The gradients are the slopes, by central differences in f64.
#[test]
fn the_gradients_are_the_slopes() {
    let wave = |from: f64| (0..40).map(|i| 4.0 * (from + 1.3 * f64::from(i)).sin()).collect::<Vec<_>>();
    let tensor = |values: Vec<f64>| Tensor::from_vec(values, [40]).unwrap();
    for activation in [Activation::Silu, Activation::Sigmoid] {
        let of = |da: f64, db: f64| {
            let moved = |from, by: f64| tensor(wave(from).into_iter().map(|x| x + by).collect());
            glu(&Stream::cpu(), &moved(0.1, da), &moved(2.0, db), &Glu { activation })
                .unwrap()
                .to_vec::<f64>()
                .unwrap()
        };
        let (dy, h) = (tensor(wave(3.0)), 1e-5);
        let (da, db) =
            glu_bw(&Stream::cpu(), &dy, &tensor(wave(0.1)), &tensor(wave(2.0)), &Glu { activation }).unwrap();
        let slopes = |above: Vec<f64>, below: Vec<f64>, by: Tensor| {
            for (((above, below), dy), slope) in
                above.iter().zip(below).zip(wave(3.0)).zip(by.to_vec::<f64>().unwrap())
            {
                assert!((dy * (above - below) / (2.0 * h) - slope).abs() < 1e-7, "{activation}: {slope}");
            }
        };
        slopes(of(h, 0.0), of(-h, 0.0), da);
        slopes(of(0.0, h), of(0.0, -h), db);
    }
}
