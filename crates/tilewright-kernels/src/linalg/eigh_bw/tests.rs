//! What is documented of repeated values.

use tilewright_core::{Stream, Tensor};

use super::eigh_bw;

#[test]
fn repeated_values_have_a_gradient_and_their_vectors_none() {
    let tensor = |values: &[f64], shape: &[usize]| Tensor::from_slice(values, shape).unwrap();
    let (w, q) = (tensor(&[2.0, 2.0], &[2]), tensor(&[1.0, 0.0, 0.0, 1.0], &[2, 2]));
    let (dw, dq) = (tensor(&[1.0, 1.0], &[2]), tensor(&[0.0, 1.0, 0.5, 0.0], &[2, 2]));
    // The trace, whose gradient is the identity whatever the vectors.
    let by_values = eigh_bw(&Stream::cpu(), &w, &q, &dw, None).unwrap();
    assert_eq!(by_values.to_vec::<f64>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
    let by_vectors = eigh_bw(&Stream::cpu(), &w, &q, &dw, Some(&dq)).unwrap();
    assert!(by_vectors.to_vec::<f64>().unwrap().iter().any(|x| !x.is_finite()));
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |shape: &[usize]| Tensor::zeros(tilewright_core::DType::F32, shape).unwrap();
    let error = |w: &[usize], dq: &[usize]| {
        let dq = zeros(dq);
        eigh_bw(&Stream::cpu(), &zeros(w), &zeros(&[3, 3]), &zeros(&[3]), Some(&dq)).unwrap_err().to_string()
    };
    assert!(error(&[2], &[3, 3]).contains("values has shape [2], expected [3]"));
    assert!(error(&[3], &[3, 2]).contains("dvectors has shape [3, 2], expected [3, 3]"));
}
