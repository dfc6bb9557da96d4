//! What is documented of repeated singular values.

use tilewright_core::{Stream, Tensor};

use super::svd_bw;

#[test]
fn repeated_values_have_a_gradient_and_their_vectors_none() {
    let tensor = |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape).unwrap();
    let identity = tensor(&[1.0, 0.0, 0.0, 1.0], &[2, 2]);
    let (s, ds) = (tensor(&[2.0, 2.0], &[2]), tensor(&[1.0, 1.0], &[2]));
    let moved = tensor(&[0.0, 1.0, 0.5, 0.0], &[2, 2]);
    // The nuclear norm, whose gradient is u vᵀ.
    let by_values = svd_bw(&Stream::cpu(), &identity, &s, &identity, &ds, None).unwrap();
    assert_eq!(by_values.to_vec::<f64>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
    let by_vectors =
        svd_bw(&Stream::cpu(), &identity, &s, &identity, &ds, Some((&moved, &identity))).unwrap();
    assert!(by_vectors.to_vec::<f64>().unwrap().iter().any(|x| !x.is_finite()));
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(tilewright_core::DType::F32, shape).unwrap();
    let error = |u: &[usize], s: &[usize], vt: &[usize]| {
        svd_bw(&Stream::cpu(), &zeros(u), &zeros(s), &zeros(vt), &zeros(s), None).unwrap_err().to_string()
    };
    assert!(error(&[4, 3], &[3], &[2, 5]).contains("vt has shape [2, 5], expected [3, 5]"));
    assert!(error(&[4, 4], &[4], &[4, 2]).contains("u has shape [4, 4], expected min(m, n) = 2 columns"));
    let short = error(&[4, 3], &[2], &[3, 3]);
    assert!(short.contains("s has shape [2], expected [3]"), "{short}");
}
