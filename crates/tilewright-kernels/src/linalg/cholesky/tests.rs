//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Cholesky, cholesky};

fn positive(n: usize) -> Tensor {
    let value = |e: usize| {
        let (i, j) = (e / n, e % n);
        if i == j { n as f64 + 1.0 } else { ((i * j) as f64).sin().abs() * 0.5 }
    };
    Tensor::from_f64(&(0..n * n).map(value).collect::<Vec<_>>(), DType::F64, [n, n]).unwrap()
}

#[test]
fn the_triangle_beyond_is_neither_read_nor_left_behind() {
    let cpu = Stream::cpu();
    let n = 9;
    let clean = positive(n);
    let mut values = clean.to_vec::<f64>().unwrap();
    (0..n).for_each(|i| values[i * n + i + 1..(i + 1) * n].fill(f64::NAN));
    let dirty = Tensor::from_vec(values, [n, n]).unwrap();
    let factor = |a: &Tensor| cholesky(&cpu, a, &Cholesky::default()).unwrap().checked().unwrap();
    assert_eq!(factor(&clean).to_bytes().unwrap(), factor(&dirty).to_bytes().unwrap());
}

#[test]
fn upper_is_the_transposed_of_lower() {
    let cpu = Stream::cpu();
    for n in [3, 40, 70] {
        let a = positive(n);
        let run = |upper| cholesky(&cpu, &a, &Cholesky { upper }).unwrap().checked().unwrap();
        let (lower, upper) = (run(false), run(true).transpose().unwrap());
        assert_eq!(lower.to_vec::<f64>().unwrap(), upper.to_vec::<f64>().unwrap());
    }
}

#[test]
fn a_failure_names_matrix_and_pivot_and_leaves_the_others() {
    let cpu = Stream::cpu();
    let mut values = [positive(4).to_vec::<f64>().unwrap(), positive(4).to_vec::<f64>().unwrap()].concat();
    values[16 + 5] = -1.0;
    let a = Tensor::from_vec(values, [2, 4, 4]).unwrap();
    let result = cholesky(&cpu, &a, &Cholesky::default()).unwrap();
    assert_eq!(result.info.to_vec::<i32>().unwrap(), [0, 2]);
    assert!(result.factor.select(0, 0).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_finite()));
    let error = result.checked().unwrap_err().to_string();
    assert_eq!(error, "cholesky: matrix 1 is not positive definite at 1");
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error = |dtype, shape: &[usize]| {
        cholesky(&cpu, &Tensor::zeros(dtype, shape).unwrap(), &Cholesky::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::F32, &[2, 3]).contains("a has shape [2, 3], expected [.., n, n]"));
    assert!(error(DType::I32, &[2, 2]).contains("a has dtype i32"));
}
