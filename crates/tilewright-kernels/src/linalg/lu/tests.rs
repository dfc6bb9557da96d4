//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::lu;

#[test]
fn equal_pivots_take_the_first_row() {
    let values = vec![1.0f64, 2.0, 3.0, -1.0, 5.0, 7.0, 1.0, 0.0, 2.0];
    for batch in [1, 9] {
        let a = Tensor::from_vec(values.clone(), [3, 3]).unwrap().broadcast_to([batch, 3, 3]).unwrap();
        let factors = lu(&Stream::cpu(), &a).unwrap();
        assert_eq!(factors.permutation.to_vec::<i32>().unwrap()[..3], [0, 1, 2]);
    }
}

#[test]
fn a_nan_is_seen_and_the_permutation_remains_one() {
    for n in [5, 70] {
        let mut values = vec![1.0f64; n * n];
        (0..n).for_each(|i| values[i * n + i] = 3.0 + i as f64);
        values[2 * n + 1] = f64::NAN;
        for batch in [1, 9] {
            let a = Tensor::from_vec(values.clone(), [n, n]).unwrap().broadcast_to([batch, n, n]).unwrap();
            let factors = lu(&Stream::cpu(), &a).unwrap();
            let mut rows = factors.permutation.to_vec::<i32>().unwrap()[..n].to_vec();
            rows.sort_unstable();
            assert!(rows.iter().enumerate().all(|(i, &row)| row == i as i32));
            assert!(factors.lu.to_vec::<f64>().unwrap().iter().any(|x| x.is_nan()));
        }
    }
}

#[test]
fn a_singular_matrix_is_factored_to_the_end() {
    // Rank 1, in powers of two: the second pivot is the first zero, and nothing is NaN.
    let n = 40;
    let values: Vec<f64> = (0..n * n).map(|e| ((1 << (e / n % 5)) * (1 + e % n % 4)) as f64).collect();
    for batch in [1, 9] {
        let a = Tensor::from_vec(values.clone(), [n, n]).unwrap().broadcast_to([batch, n, n]).unwrap();
        let factors = lu(&Stream::cpu(), &a).unwrap();
        assert_eq!(factors.info.to_vec::<i32>().unwrap(), vec![2; batch]);
        assert!(factors.lu.to_vec::<f64>().unwrap().iter().all(|x| x.is_finite()));
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        lu(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::I32, &[2, 2]).contains("a has dtype i32"));
}
