//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{SolveRefined, solve_refined};

fn hilbert(n: usize) -> Vec<f64> {
    (0..n * n).map(|e| 1.0 / (e / n + e % n + 1) as f64).collect()
}

#[test]
fn what_the_factors_cannot_refine_is_told() {
    let (n, args) = (8, SolveRefined { factors: DType::Bf16, ..SolveRefined::default() });
    let a = Tensor::from_vec(hilbert(n), [n, n]).unwrap();
    let b = Tensor::from_vec(vec![1.0f64; n], [n]).unwrap();
    let found = solve_refined(&Stream::cpu(), &a, &b, &args).unwrap();
    assert_eq!(found.info.to_vec::<i32>().unwrap(), [n as i32 + 1]);
    // With more digits in the factors it is refined: of 3e10, the condition is within f64's reach.
    let args = SolveRefined { factors: DType::F64, ..args };
    let found = solve_refined(&Stream::cpu(), &a, &b, &args).unwrap();
    assert_eq!(found.info.to_vec::<i32>().unwrap(), [0]);
    // The sum of the elements of Hilbert's inverse is n².
    let sum: f64 = found.x.to_vec::<f64>().unwrap().iter().sum();
    assert!((sum - (n * n) as f64).abs() < 1e-6, "{sum}");
}

#[test]
fn columns_are_refined_each_by_itself() {
    let n = 5;
    let a: Vec<f64> = (0..n * n).map(|e| (e as f64).sin() + if e / n == e % n { 3.0 } else { 0.0 }).collect();
    let a = Tensor::from_vec(a, [n, n]).unwrap();
    // The second column is smaller by 200 orders of magnitude, the third is zero.
    let b: Vec<f64> = (0..3 * n).map(|e| (e as f64 + 1.0) * [1.0, 1e-200, 0.0][e % 3]).collect();
    let all = Tensor::from_vec(b, [n, 3]).unwrap();
    let run = |b: &Tensor| {
        let found = solve_refined(&Stream::cpu(), &a, b, &SolveRefined::default()).unwrap();
        assert_eq!(found.info.to_vec::<i32>().unwrap(), [0]);
        found.x
    };
    let together = run(&all);
    for column in 0..3 {
        let part = together.slice(1, column..column + 1).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(part, run(&all.slice(1, column..column + 1).unwrap()).to_vec::<f64>().unwrap());
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |a: &[usize], b: &[usize], factors| {
        let (a, b) = (Tensor::zeros(DType::F32, a).unwrap(), Tensor::zeros(DType::F32, b).unwrap());
        let args = SolveRefined { factors, iterations: a.dims()[0] - 2 };
        solve_refined(&Stream::cpu(), &a, &b, &args).unwrap_err().to_string()
    };
    assert!(error(&[4, 3], &[2], DType::F32).contains("a has shape [4, 3], expected [.., n, n]"));
    assert!(error(&[4, 4], &[3], DType::F32).contains("b has shape [3]"));
    assert!(error(&[4, 4], &[4], DType::F64).contains("factors is f64"));
    assert!(error(&[4, 4], &[4], DType::F16).contains("factors is f16"));
    assert!(error(&[2, 2], &[2], DType::F32).contains("iterations is 0, expected at least 1"));
}
