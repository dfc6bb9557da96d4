//! Where a norm has no derivative, and what cases of matrices cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::super::{Norm, Order};
use super::norm_bw;

fn by(x: Vec<f64>, order: Order) -> Vec<f64> {
    let n = x.len();
    let args = Norm { order: Some(order), ..Norm::default() };
    let x = Tensor::from_vec(x, [n]).unwrap();
    norm_bw(&Stream::cpu(), &x, &Tensor::scalar(6.0f64), &args).unwrap().to_vec().unwrap()
}

#[test]
fn subgradients_are_as_documented() {
    assert_eq!(by(vec![0.0, 0.0], Order::P(2.0)), [0.0, 0.0]);
    assert_eq!(by(vec![0.0, -3.0], Order::P(1.0)), [0.0, -6.0]);
    assert_eq!(by(vec![5.0, 1.0, -5.0], Order::P(f64::INFINITY)), [3.0, 0.0, -3.0]);
    assert_eq!(by(vec![5.0, 0.0, 2.0], Order::P(0.5))[1], 0.0);
    assert!(by(vec![f64::NAN, 1.0], Order::P(f64::INFINITY)).iter().all(|x| x.is_nan()));
}

#[test]
fn any_number_of_axes_will_do() {
    let number = Tensor::scalar(-2.0f32);
    let run = |x: &Tensor| norm_bw(&Stream::cpu(), x, &Tensor::scalar(1.0f32), &Norm::default()).unwrap();
    assert_eq!(run(&number).to_vec::<f32>().unwrap(), [-1.0]);
    let four = Tensor::from_vec(vec![2.0f32; 16], [2, 2, 2, 2]).unwrap();
    assert_eq!(run(&four).to_vec::<f32>().unwrap(), [0.25; 16]);
}

#[test]
fn wrong_arguments_are_named() {
    let a = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let error = |dy: &[usize], axes: Option<Vec<i64>>| {
        let args = Norm { axes, ..Norm::default() };
        norm_bw(&Stream::cpu(), &a, &Tensor::zeros(DType::F32, dy).unwrap(), &args).unwrap_err().to_string()
    };
    assert!(error(&[3], Some(vec![-1])).contains("dy has shape [3], expected [2]"));
    assert!(error(&[], Some(vec![2])).contains("axes"));
}
