use tilewright_core::{DType, Stream, Tensor};

use super::cross_entropy;
use crate::reduce::cross_entropy_bw;

fn zeros(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::zeros(dtype, shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error =
        |logits: &Tensor, target: &Tensor| cross_entropy(&cpu, logits, target).unwrap_err().to_string();
    let (logits, target) = (zeros(DType::F32, &[2, 3]), zeros(DType::I64, &[2]));
    for (error, part) in [
        (error(&zeros(DType::I32, &[2, 3]), &target), "logits has dtype i32"),
        (error(&zeros(DType::F32, &[]), &target), "logits has shape [], expected at least 1 axis"),
        (error(&logits, &zeros(DType::U32, &[2])), "target has dtype u32, expected i64"),
        (
            error(&logits, &zeros(DType::I64, &[3])),
            "target has shape [3], expected [2] as the rows of logits",
        ),
        (error(&logits, &Tensor::from_vec(vec![0i64, 3], [2]).unwrap()), "target is 3, expected below 3"),
        (error(&zeros(DType::F32, &[2, 0]), &target), "target is 0, expected below 0"),
    ] {
        assert!(error.starts_with("cross_entropy: ") && error.contains(part), "{error}");
    }
    let error = cross_entropy_bw(&cpu, &zeros(DType::F64, &[2]), &logits, &target).unwrap_err().to_string();
    assert!(error.contains("cross_entropy_bw: dloss has dtype f64, expected f32"), "{error}");
    let error = cross_entropy_bw(&cpu, &zeros(DType::F32, &[1]), &logits, &target).unwrap_err().to_string();
    assert!(error.contains("dloss has shape [1], expected [2] as target"), "{error}");
}

/// The gradient is the slope, by central differences in f64; of what is left out it is 0.
#[test]
fn the_gradient_is_the_slope() {
    let cpu = Stream::cpu();
    let values: Vec<f64> = (0..18).map(|i| 3.0 * (1.9 * f64::from(i)).sin()).collect();
    let target = Tensor::from_vec(vec![4i64, -1, 0], [3]).unwrap();
    let dloss = [0.7, 5.0, -2.0];
    let loss = |values: &[f64]| -> f64 {
        let loss = cross_entropy(&cpu, &Tensor::from_slice(values, [3, 6]).unwrap(), &target).unwrap();
        loss.to_vec::<f64>().unwrap().iter().zip(dloss).map(|(loss, by)| loss * by).sum()
    };
    let logits = Tensor::from_slice(&values, [3, 6]).unwrap();
    let by =
        cross_entropy_bw(&cpu, &Tensor::from_vec(dloss.to_vec(), [3]).unwrap(), &logits, &target).unwrap();
    let h = 1e-5;
    for (at, slope) in by.to_vec::<f64>().unwrap().into_iter().enumerate() {
        let moved = |by: f64| {
            let mut values = values.clone();
            values[at] += by;
            loss(&values)
        };
        assert!(((moved(h) - moved(-h)) / (2.0 * h) - slope).abs() < 1e-8, "{at}: {slope}");
        assert!(at / 6 != 1 || slope == 0.0);
    }
}
