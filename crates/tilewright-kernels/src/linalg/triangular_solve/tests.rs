//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{TriangularSolve, triangular_solve};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements as u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 8) / 8_388_608.0 - 1.0).collect()
}

fn matrix(m: usize, n: usize) -> Tensor {
    let value = |(e, x)| if e / n == e % n { x + 3.0 } else { x / n as f64 };
    Tensor::from_vec(numbers(m * n).into_iter().enumerate().map(value).collect(), [m, n]).unwrap()
}

#[test]
fn the_right_is_the_transposed_left() {
    let cpu = Stream::cpu();
    for n in [5, 37] {
        let (a, b) = (matrix(n, n), matrix(n, 4));
        for upper in [false, true] {
            for transpose in [false, true] {
                let left = TriangularSolve { upper, transpose, ..TriangularSolve::default() };
                let right = TriangularSolve { right: true, transpose: !transpose, ..left };
                let x = triangular_solve(&cpu, &a, &b, &left).unwrap().checked().unwrap();
                let y =
                    triangular_solve(&cpu, &a, &b.transpose().unwrap(), &right).unwrap().checked().unwrap();
                assert_eq!(x.to_vec::<f64>().unwrap(), y.transpose().unwrap().to_vec::<f64>().unwrap());
            }
        }
    }
}

#[test]
fn a_batch_is_as_one_by_one_to_rounding() {
    let cpu = Stream::cpu();
    let (n, b) = (13, 21);
    let a = matrix(n, n).broadcast_to([b, n, n]).unwrap();
    let sides = Tensor::from_vec(numbers(b * n), [b, n]).unwrap();
    let args = TriangularSolve { upper: true, ..TriangularSolve::default() };
    let together = triangular_solve(&cpu, &a, &sides, &args).unwrap().checked().unwrap();
    for item in 0..b {
        let alone = triangular_solve(&cpu, &matrix(n, n), &sides.select(0, item).unwrap(), &args);
        let alone = alone.unwrap().checked().unwrap().to_vec::<f64>().unwrap();
        let together = together.select(0, item).unwrap().to_vec::<f64>().unwrap();
        assert!(alone.iter().zip(&together).all(|(x, y)| (x - y).abs() <= 1e-13 * (1.0 + x.abs())));
    }
}

#[test]
fn the_first_zero_of_the_diagonal_is_named_whichever_way_it_is_met() {
    let cpu = Stream::cpu();
    let n = 9;
    let mut values = matrix(n, n).to_vec::<f64>().unwrap();
    (values[3 * n + 3], values[5 * n + 5]) = (0.0, 0.0);
    let (a, b) = (Tensor::from_vec(values, [n, n]).unwrap(), matrix(n, 2));
    for upper in [false, true] {
        let args = TriangularSolve { upper, ..TriangularSolve::default() };
        let solution = triangular_solve(&cpu, &a, &b, &args).unwrap();
        assert_eq!(solution.info.to_vec::<i32>().unwrap(), [4]);
        assert!(solution.x.to_vec::<f64>().unwrap().iter().all(|x| x.is_nan()));
        assert!(solution.checked().unwrap_err().to_string().contains("matrix 0 is singular at 3"));
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let error = |a: &Tensor, b: &Tensor, right| {
        let args = TriangularSolve { right, ..TriangularSolve::default() };
        triangular_solve(&cpu, a, b, &args).unwrap_err().to_string()
    };
    let a = zeros(&[2, 3, 3]);
    assert!(error(&zeros(&[2, 3]), &a, false).contains("a has shape [2, 3]"));
    assert!(error(&a, &zeros(&[2, 4]), false).contains("b has shape [2, 4], expected [2, 3] or [2, 3, k]"));
    assert!(error(&a, &zeros(&[2, 3, 4]), true).contains("b has shape [2, 3, 4], expected [.., k, 3]"));
    assert!(error(&a, &Tensor::zeros(DType::F64, [2, 3]).unwrap(), false).contains("b has dtype f64"));
}
