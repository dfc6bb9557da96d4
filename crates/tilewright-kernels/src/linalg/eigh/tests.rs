//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Eigh, eigh};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements).map(|i| (0.7 * (i * i) as f64).sin()).collect()
}

#[test]
fn known_values_are_found() {
    // The second difference: 2 - 2 cos(k pi / (n + 1)).
    for (b, n) in [(1, 5), (9, 5), (1, 90)] {
        let element = |e: usize| match (e / n % n).abs_diff(e % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let a = Tensor::from_vec((0..b * n * n).map(element).collect::<Vec<f64>>(), [b, n, n]).unwrap();
        let found = eigh(&Stream::cpu(), &a, &Eigh::default()).unwrap().checked().unwrap();
        for (e, value) in found.values.to_vec::<f64>().unwrap().into_iter().enumerate() {
            let k = (e % n + 1) as f64;
            let truth = 2.0 - 2.0 * (k * std::f64::consts::PI / (n as f64 + 1.0)).cos();
            assert!((value - truth).abs() < 1e-13, "{n} {k} {value} {truth}");
        }
    }
}

#[test]
fn of_two_columns_the_small_value_keeps_its_digits() {
    for (large, small, beside) in
        [(1e20, 1e10, 0.0), (1e10, 1e20, 0.0), (1e20, 1e10, 1e12), (-1.0, 1e-9, 1e-7)]
    {
        let a = Tensor::from_vec(vec![large, beside, beside, small], [2, 2]).unwrap();
        let found = eigh(&Stream::cpu(), &a, &Eigh::default()).unwrap();
        let (values, q) =
            (found.values.to_vec::<f64>().unwrap(), found.vectors.unwrap().to_vec::<f64>().unwrap());
        // To the first order the values move by beside² over the gap, and the next is nothing here.
        let moved: f64 = beside * beside / (large - small);
        let mut truth = [large + moved, small - moved];
        truth.sort_by(f64::total_cmp);
        for j in 0..2 {
            assert!((values[j] / truth[j] - 1.0).abs() < 1e-13, "{values:?} is not {truth:?}");
            let left = [large * q[j] + beside * q[2 + j], beside * q[j] + small * q[2 + j]];
            let size = large.abs().max(small.abs());
            assert!((0..2).all(|i| (left[i] - values[j] * q[2 * i + j]).abs() < 1e-15 * size));
        }
    }
}

#[test]
fn descending_is_ascending_the_other_way_round() {
    for (b, n) in [(9, 6), (1, 2), (1, 6), (1, 70)] {
        let a = Tensor::from_vec(numbers(b * n * n), [b, n, n]).unwrap();
        let run = |descending| eigh(&Stream::cpu(), &a, &Eigh { descending, ..Eigh::default() }).unwrap();
        let (up, down) = (run(false), run(true));
        let (ascending, descending) =
            (up.values.to_vec::<f64>().unwrap(), down.values.to_vec::<f64>().unwrap());
        let (q, turned) = (up.vectors.unwrap(), down.vectors.unwrap());
        let (q, turned) = (q.to_vec::<f64>().unwrap(), turned.to_vec::<f64>().unwrap());
        for item in 0..b {
            for j in 0..n {
                assert_eq!(ascending[item * n + j], descending[item * n + n - 1 - j]);
                for i in 0..n {
                    let row = (item * n + i) * n;
                    assert_eq!(q[row + j], turned[row + n - 1 - j]);
                }
            }
        }
    }
}

#[test]
fn a_matrix_without_a_result_leaves_the_others() {
    for n in [3, 70] {
        let mut values = numbers(2 * n * n);
        values[n * n + n] = f64::NAN;
        let a = Tensor::from_vec(values, [2, n, n]).unwrap();
        let found = eigh(&Stream::cpu(), &a, &Eigh::default()).unwrap();
        assert_eq!(found.info.to_vec::<i32>().unwrap(), [0, 1]);
        assert!(found.values.select(0, 0).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_finite()));
        let error = found.checked().unwrap_err().to_string();
        assert!(error.contains("eigh: a matrix holds a NaN or an infinity"), "{error}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        eigh(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap(), &Eigh::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::F32, &[2, 3]).contains("a has shape [2, 3], expected [.., n, n]"));
    assert!(error(DType::I32, &[2, 2]).contains("a has dtype i32"));
}
