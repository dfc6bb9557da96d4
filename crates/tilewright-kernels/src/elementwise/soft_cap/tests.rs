//! Errors.

use tilewright_core::{DType, Stream, Tensor};

use super::{SoftCap, soft_cap};
use crate::elementwise::soft_cap_bw;

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let x = zeros(DType::F32, &[2, 3]);
    let forward =
        |x: &Tensor, cap: f64| soft_cap(&Stream::cpu(), x, &SoftCap { cap }).unwrap_err().to_string();
    let backward = |dy: &Tensor, x: &Tensor, cap: f64| {
        soft_cap_bw(&Stream::cpu(), dy, x, &SoftCap { cap }).unwrap_err().to_string()
    };
    for cap in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, 1e39, 1e-46] {
        for error in [forward(&x, cap), backward(&x, &x, cap)] {
            assert!(error.contains(&format!("cap is {cap}, expected positive and finite in f32")), "{error}");
        }
    }
    assert!(soft_cap(&Stream::cpu(), &zeros(DType::F64, &[1]), &SoftCap { cap: 1e39 }).is_ok());
    for (error, part) in [
        (forward(&zeros(DType::I32, &[2]), 30.0), "soft_cap: x has dtype i32, expected f32, f16, bf16, f64"),
        (backward(&x, &zeros(DType::F16, &[2, 3]), 30.0), "soft_cap_bw: x has dtype f16, expected f32"),
        (
            backward(&x, &zeros(DType::F32, &[3, 2]), 30.0),
            "soft_cap_bw: x has shape [3, 2], expected [2, 3] as dy",
        ),
        (backward(&zeros(DType::U8, &[2, 3]), &x, 30.0), "soft_cap_bw: dy has dtype u8"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// The backward pass is the slope of the forward pass, by central differences in f64.
#[test]
fn the_gradient_is_the_slope() {
    let cap = SoftCap { cap: 3.0 };
    let points: Vec<f64> = (0..200).map(|i| f64::from(i) * 0.07 - 7.0).collect();
    let shifted = |by: f64| {
        let x = Tensor::from_vec(points.iter().map(|x| x + by).collect::<Vec<_>>(), [points.len()]).unwrap();
        soft_cap(&Stream::cpu(), &x, &cap).unwrap().to_vec::<f64>().unwrap()
    };
    let (x, ones) = (Tensor::from_vec(points.clone(), [points.len()]).unwrap(), vec![1.0f64; points.len()]);
    let dy = Tensor::from_vec(ones, [points.len()]).unwrap();
    let slopes = soft_cap_bw(&Stream::cpu(), &dy, &x, &cap).unwrap().to_vec::<f64>().unwrap();
    let h = 1e-5;
    for ((above, below), slope) in shifted(h).iter().zip(shifted(-h)).zip(slopes) {
        assert!(((above - below) / (2.0 * h) - slope).abs() < 1e-9, "{slope}");
    }
}
