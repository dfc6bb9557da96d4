//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Lstsq, LstsqMethod, lstsq};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements).map(|i| (0.7 * (i * i) as f64).sin()).collect()
}

#[test]
fn both_methods_agree_where_the_rank_is_full() {
    let (b, m, n, p) = (5, 9, 4, 3);
    let a = Tensor::from_vec(numbers(b * m * n), [b, m, n]).unwrap();
    let sides = Tensor::from_vec(numbers(b * m * p), [b, m, p]).unwrap();
    let run = |method| lstsq(&Stream::cpu(), &a, &sides, &Lstsq { method, rcond: None }).unwrap();
    let (svd, qr) = (run(LstsqMethod::Svd), run(LstsqMethod::Qr));
    let near = |x: &Tensor, y: &Tensor| {
        let (x, y) = (x.to_vec::<f64>().unwrap(), y.to_vec::<f64>().unwrap());
        x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-12)
    };
    assert!(near(&svd.x, &qr.x));
    assert!(near(&svd.residuals.unwrap(), &qr.residuals.unwrap()));
    assert_eq!(svd.rank.to_vec::<i32>().unwrap(), [4; 5]);
    assert_eq!(qr.rank.to_vec::<i32>().unwrap(), [4; 5]);
    assert!(qr.s.is_none());
}

#[test]
fn one_right_side_needs_no_axis() {
    let a = Tensor::from_vec(numbers(2 * 5 * 3), [2, 5, 3]).unwrap();
    let b = Tensor::from_vec(numbers(2 * 5), [2, 5]).unwrap();
    let found = lstsq(&Stream::cpu(), &a, &b, &Lstsq::default()).unwrap();
    assert_eq!(found.x.dims(), [2, 3]);
    assert_eq!(found.residuals.unwrap().dims(), [2]);
    assert_eq!(found.s.unwrap().dims(), [2, 3]);
}

#[test]
fn the_shortest_of_many_solutions_is_found() {
    // x + y = 2 has (1, 1) for its shortest.
    let a = Tensor::from_vec(vec![1.0f64, 1.0], [1, 2]).unwrap();
    let b = Tensor::from_vec(vec![2.0f64], [1]).unwrap();
    let found = lstsq(&Stream::cpu(), &a, &b, &Lstsq::default()).unwrap();
    assert!(found.x.to_vec::<f64>().unwrap().iter().all(|x| (x - 1.0).abs() < 1e-14));
    assert!(found.residuals.is_none());
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let error = |a: &[usize], b: &[usize], args| {
        lstsq(&Stream::cpu(), &zeros(a), &zeros(b), &args).unwrap_err().to_string()
    };
    let qr = Lstsq { method: LstsqMethod::Qr, rcond: None };
    assert!(error(&[2, 3], &[3], Lstsq::default()).contains("b has shape [3]"));
    assert!(error(&[2, 3], &[2], qr).contains("m >= n for method qr"));
    let rcond = Lstsq { rcond: Some(-1.0), ..Lstsq::default() };
    assert!(error(&[2, 2], &[2], rcond).contains("rcond is -1"));
    assert!("lu".parse::<LstsqMethod>().unwrap_err().to_string().contains("method is lu"));
}
