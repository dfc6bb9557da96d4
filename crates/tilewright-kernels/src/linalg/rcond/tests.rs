//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::super::estimate::inverse_norm;
use super::{Rcond, RcondNorm, rcond};

fn of(a: &Tensor, norm: RcondNorm) -> Vec<f64> {
    rcond(&Stream::cpu(), a, &Rcond { norm }).unwrap().to_f64_vec().unwrap()
}

/// One matrix, and so many of it.
fn both(values: &[f64], n: usize) -> [Tensor; 2] {
    let one = Tensor::from_vec(values.to_vec(), [n, n]).unwrap();
    let many = one.broadcast_to([17, n, n]).unwrap();
    [one, many]
}

#[test]
fn of_a_diagonal_matrix_it_is_exact() {
    for n in [1, 2, 7, 40, 70] {
        // Powers of two of both signs, out of order: no operation rounds.
        let mut values = vec![0.0; n * n];
        (0..n)
            .for_each(|i| values[i * (n + 1)] = (-1f64).powi(i as i32) * 2f64.powi((i * 5 % 11) as i32 - 30));
        let sizes = (0..n).map(|i| values[i * (n + 1)].abs());
        let (least, most) = sizes.fold((f64::INFINITY, 0f64), |(least, most), x| (least.min(x), most.max(x)));
        for a in both(&values, n) {
            for norm in [RcondNorm::One, RcondNorm::Infinity] {
                assert!(of(&a, norm).iter().all(|&rcond| rcond == least / most), "{n}");
            }
        }
    }
}

#[test]
fn no_scale_changes_it() {
    let n = 9;
    let values: Vec<f64> = (0..n * n).map(|e| ((e * e + 3 * e) as f64).sin()).collect();
    for norm in [RcondNorm::One, RcondNorm::Infinity] {
        let [plain, _] = both(&values, n);
        let plain = of(&plain, norm)[0];
        for scale in [2f64.powi(1000), 2f64.powi(-960)] {
            let scaled: Vec<f64> = values.iter().map(|x| x * scale).collect();
            assert!(
                both(&scaled, n)
                    .iter()
                    .all(|a| of(a, norm).iter().all(|&rcond| (rcond / plain - 1.0).abs() < 1e-12))
            );
        }
        let turned = Tensor::from_vec(values.clone(), [n, n]).unwrap().transpose().unwrap();
        let other = if norm == RcondNorm::One { RcondNorm::Infinity } else { RcondNorm::One };
        assert_eq!(of(&turned, other)[0], plain);
    }
}

#[test]
fn what_has_no_condition_is_told() {
    for n in [3, 40, 70] {
        let regular: Vec<f64> = (0..n * n).map(|e| ((e * e) as f64 * 1.7).cos()).collect();
        let with = |at: usize, x: f64| {
            let mut values = regular.clone();
            values[at] = x;
            values
        };
        let both_of = |values: &[f64]| both(values, n).map(|a| of(&a, RcondNorm::One)).concat();
        assert!(both_of(&regular).iter().all(|&rcond| rcond > 1e-6 && rcond <= 1.0));
        assert!(both_of(&with(n + 1, f64::NAN)).iter().all(|rcond| rcond.is_nan()));
        assert!(both_of(&with(n + 1, f64::INFINITY)).iter().all(|&rcond| rcond == 0.0));
        let both_kinds = with(1, f64::NAN);
        assert!(
            both_of(&[&[f64::NEG_INFINITY], &both_kinds[1..]].concat()).iter().all(|rcond| rcond.is_nan())
        );
        // Ones: the second pivot is zero.
        assert!(both_of(&vec![3.0; n * n]).iter().all(|&rcond| rcond == 0.0));
        assert!(both_of(&vec![0.0; n * n]).iter().all(|&rcond| rcond == 0.0));
    }
}

#[test]
fn one_of_a_batch_does_not_change_the_others() {
    let n = 6;
    let regular: Vec<f64> = (0..n * n).map(|e| ((e * e) as f64 * 0.9).sin()).collect();
    let kinds = [
        regular.clone(),
        vec![f64::NAN; n * n],
        vec![1.0; n * n],
        regular.iter().map(|x| x * 1e200).collect(),
    ];
    let values: Vec<f64> = (0..23).flat_map(|item| kinds[item % 4].clone()).collect();
    let found = of(&Tensor::from_vec(values, [23, n, n]).unwrap(), RcondNorm::One);
    for (item, rcond) in found.iter().enumerate() {
        match item % 4 {
            1 => assert!(rcond.is_nan()),
            2 => assert_eq!(*rcond, 0.0),
            _ => assert!((rcond / found[0] - 1.0).abs() < 1e-12 && *rcond > 0.0),
        }
    }
}

#[test]
fn of_no_elements_it_is_one() {
    let empty = Tensor::zeros(DType::F32, [2, 0, 0]).unwrap();
    assert_eq!(of(&empty, RcondNorm::One), [1.0, 1.0]);
    assert_eq!(of(&Tensor::zeros(DType::F32, [0, 3, 3]).unwrap(), RcondNorm::One), [0.0; 0]);
}

#[test]
fn the_last_vector_finds_what_the_climb_does_not() {
    // The identity and much of a matrix that neither the center nor the first corner sees (Higham 1988, section 4): no step rises.
    let (n, size) = (9, 1e3);
    let v = |i: usize| if i == 0 { 0.0 } else { f64::from(i32::from(i % 2 == 1) * 2 - 1) };
    let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) + size * v(i) * v(j);
    let (bound, shown) = inverse_norm::<f64>(n, |_, mut x| {
        let before: Vec<f64> = (0..n).map(|i| x[(i, 0)]).collect();
        (0..n).for_each(|i| x[(i, 0)] = (0..n).map(|j| entry(i, j) * before[j]).sum());
    });
    let norm = 1.0 + (n - 1) as f64 * size;
    assert!(bound <= norm && bound >= norm / 3.0, "{bound} is not near {norm}");
    assert_eq!(shown.len(), n);
}

#[test]
fn wrong_arguments_are_named() {
    let error = |shape: &[usize], dtype| {
        rcond(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap(), &Rcond::default())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[2, 3], DType::F32).contains("a has shape [2, 3], expected [.., n, n]"));
    assert!(error(&[3, 3], DType::I32).contains("a has dtype i32"));
    assert_eq!("1".parse::<RcondNorm>().unwrap(), RcondNorm::One);
    assert_eq!("inf".parse::<RcondNorm>().unwrap(), RcondNorm::Infinity);
    assert!(
        "two".parse::<RcondNorm>().unwrap_err().to_string().contains("norm is two, expected one or infinity")
    );
}
