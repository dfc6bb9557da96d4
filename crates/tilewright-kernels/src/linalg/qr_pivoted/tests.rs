//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Qr, QrMode, qr_pivoted};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements).map(|i| (0.7 * (i * i) as f64).sin()).collect()
}

#[test]
fn a_batch_chooses_as_one_by_one() {
    let (b, m, n) = (13, 11, 7);
    let a = Tensor::from_vec(numbers(b * m * n), [b, m, n]).unwrap();
    let run = |a: &Tensor| qr_pivoted(&Stream::cpu(), a, &Qr::default()).unwrap();
    let together = run(&a);
    for item in 0..b {
        let alone = run(&a.select(0, item).unwrap());
        let order = |of: &Tensor| of.to_vec::<i32>().unwrap();
        assert_eq!(order(&alone.permutation), order(&together.permutation.select(0, item).unwrap()));
        let part = together.r.select(0, item).unwrap().to_vec::<f64>().unwrap();
        assert!(alone.r.to_vec::<f64>().unwrap().iter().zip(&part).all(|(x, y)| (x - y).abs() < 1e-13));
    }
}

/// The diagonal of r stands for the singular values: within what Businger and Golub's rule loses at worst on matrices not made to defeat it.
#[test]
fn the_diagonal_shows_the_rank() {
    for (m, n, rank) in [(40, 30, 7), (30, 40, 12), (80, 66, 65)] {
        let (left, right) = (numbers(m * rank), numbers(rank * n + 5)[5..].to_vec());
        let value = |e: usize| (0..rank).map(|l| left[e / n * rank + l] * right[l * n + e % n]).sum::<f64>();
        let a = Tensor::from_vec((0..m * n).map(value).collect(), [m, n]).unwrap();
        let r = qr_pivoted(&Stream::cpu(), &a, &Qr { mode: QrMode::R, nonnegative: true }).unwrap().r;
        let r = r.to_vec::<f64>().unwrap();
        let found = (0..m.min(n)).filter(|&i| r[i * n + i] > 1e-12 * r[0]).count();
        assert_eq!(found, rank, "{m} x {n}");
    }
}

/// Of columns whose lengths cancel to nothing beside what they were, the longest is taken still: lengths are computed anew in time.
#[test]
fn lengths_do_not_drift() {
    let n = 60;
    // Columns that differ by little from the first one, by less and less.
    let value = |e: usize| match (e / n, e % n) {
        (0, _) => 1.0,
        (i, j) if i == j => 1e-9 * 0.9f64.powi(j as i32),
        _ => 0.0,
    };
    let a = Tensor::from_vec((0..n * n).map(value).collect(), [n, n]).unwrap();
    let found = qr_pivoted(&Stream::cpu(), &a, &Qr { mode: QrMode::R, nonnegative: true }).unwrap();
    let r = found.r.to_vec::<f64>().unwrap();
    let diagonal: Vec<f64> = (1..n).map(|i| r[i * n + i]).collect();
    assert!(diagonal.windows(2).all(|pair| pair[0] >= pair[1] * (1.0 - 1e-6)), "{diagonal:?}");
}

#[test]
fn a_nan_leaves_the_permutation_one() {
    for n in [5, 70] {
        let mut values = numbers(9 * n * n);
        values[n + 2] = f64::NAN;
        let a = Tensor::from_vec(values, [9, n, n]).unwrap();
        let order = qr_pivoted(&Stream::cpu(), &a, &Qr::default()).unwrap().permutation;
        let mut order = order.select(0, 0).unwrap().to_vec::<i32>().unwrap();
        order.sort_unstable();
        assert_eq!(order, (0..n as i32).collect::<Vec<_>>());
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        let a = Tensor::zeros(dtype, shape).unwrap();
        qr_pivoted(&Stream::cpu(), &a, &Qr::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::U8, &[2, 2]).contains("a has dtype u8"));
}
