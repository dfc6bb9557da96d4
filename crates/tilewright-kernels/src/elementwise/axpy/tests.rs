use tilewright_core::{DType, Stream, Tensor};

use super::{Axpy, axpy};

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let error =
        |x: &Tensor, y: &Tensor, alpha| axpy(&Stream::cpu(), x, y, &Axpy { alpha }).unwrap_err().to_string();
    let x = zeros(DType::F32, &[2, 3]);
    for (error, part) in [
        (error(&zeros(DType::I64, &[2]), &x, 1.0), "axpy: x has dtype i64"),
        (error(&x, &zeros(DType::F16, &[2, 3]), 1.0), "axpy: y has dtype f16, expected f32"),
        (error(&x, &zeros(DType::F32, &[3, 2]), 1.0), "axpy: y has shape [3, 2], expected [2, 3] as x"),
        (error(&x, &x, f64::NAN), "axpy: alpha is NaN, expected a finite number"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
