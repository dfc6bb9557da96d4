//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Eig, GeneralEigen, eig};

fn find(a: Vec<f64>, dims: &[usize]) -> GeneralEigen {
    eig(&Stream::cpu(), &Tensor::from_vec(a, dims).unwrap(), &Eig::default()).unwrap()
}

#[test]
fn the_values_of_a_companion_are_its_roots() {
    // (x - 3)(x + 2)(x² - 2 x + 5): 3, -2, 1 ± 2 i
    let a = vec![3.0, -1.0, -7.0, 30.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let found = find(a, &[4, 4]).checked().unwrap();
    let (re, im) = (found.re.to_vec::<f64>().unwrap(), found.im.to_vec::<f64>().unwrap());
    for (i, truth) in [(3.0, 0.0), (1.0, 2.0), (1.0, -2.0), (-2.0, 0.0)].into_iter().enumerate() {
        assert!((re[i] - truth.0).abs() + (im[i] - truth.1).abs() < 1e-13, "{i} {} {}", re[i], im[i]);
    }
}

#[test]
fn values_alone_are_those_beside_vectors() {
    for n in [3, 20, 130] {
        let a: Vec<f64> = (0..n * n).map(|i| (0.7 * (i * i) as f64).sin()).collect();
        let a = Tensor::from_vec(a, [n, n]).unwrap();
        let run = |values_only| eig(&Stream::cpu(), &a, &Eig { values_only }).unwrap().checked().unwrap();
        let (alone, beside) = (run(true), run(false));
        assert!(alone.vectors_re.is_none() && beside.vectors_re.is_some());
        for (x, y) in [(alone.re, beside.re), (alone.im, beside.im)] {
            let pairs = x.to_vec::<f64>().unwrap().into_iter().zip(y.to_vec::<f64>().unwrap());
            pairs.for_each(|(x, y)| assert!((x - y).abs() < 1e-10, "{n} {x} {y}"));
        }
    }
}

#[test]
fn a_matrix_without_a_result_leaves_the_others() {
    let mut values: Vec<f64> = (0..18).map(|i| (i as f64).sin()).collect();
    values[10] = f64::INFINITY;
    let found = find(values, &[2, 3, 3]);
    assert_eq!(found.info.to_vec::<i32>().unwrap(), [0, 1]);
    assert!(found.re.select(0, 0).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_finite()));
    let error = found.checked().unwrap_err().to_string();
    assert!(error.contains("eig: a matrix holds a NaN or an infinity"), "{error}");
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        eig(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap(), &Eig::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::F32, &[2, 3]).contains("a has shape [2, 3], expected [.., n, n]"));
    assert!(error(DType::I32, &[2, 2]).contains("a has dtype i32"));
}
