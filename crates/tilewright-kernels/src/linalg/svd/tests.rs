//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Svd, SvdMode, svd};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements).map(|i| (0.7 * (i * i) as f64).sin()).collect()
}

fn near(x: &Tensor, y: &Tensor) -> bool {
    let (x, y) = (x.to_vec::<f64>().unwrap(), y.to_vec::<f64>().unwrap());
    x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-13)
}

#[test]
fn modes_agree() {
    for (m, n) in [(9, 4), (4, 9), (6, 6), (80, 50)] {
        let a = Tensor::from_vec(numbers(m * n), [m, n]).unwrap();
        let run = |mode| svd(&Stream::cpu(), &a, &Svd { mode }).unwrap().checked().unwrap();
        let (reduced, full, values) = (run(SvdMode::Reduced), run(SvdMode::Full), run(SvdMode::Values));
        let k = m.min(n);
        assert!(values.u.is_none() && values.vt.is_none());
        assert!(near(&values.s, &reduced.s) && near(&full.s, &reduced.s));
        assert_eq!(full.u.unwrap().dims(), [m, m]);
        assert_eq!(full.vt.unwrap().dims(), [n, n]);
        assert_eq!(reduced.u.unwrap().dims(), [m, k]);
        assert_eq!(reduced.vt.unwrap().dims(), [k, n]);
    }
}

#[test]
fn a_batch_is_as_one_by_one_to_rounding() {
    let (b, m, n) = (13, 11, 7);
    let a = Tensor::from_vec(numbers(b * m * n), [b, m, n]).unwrap();
    let together = svd(&Stream::cpu(), &a, &Svd::default()).unwrap();
    for item in 0..b {
        let alone = svd(&Stream::cpu(), &a.select(0, item).unwrap(), &Svd::default()).unwrap();
        assert!(near(&alone.s, &together.s.select(0, item).unwrap()));
    }
}

/// Householder leaves rows that are roundings of roundings: their squares are nothing beside the first one's.
#[test]
fn a_batch_of_ones_converges() {
    for (b, m, n) in [(8, 5, 4), (16, 4, 5), (9, 7, 7), (33, 3, 8)] {
        let a = Tensor::from_vec(vec![1.0f32; b * m * n], [b, m, n]).unwrap();
        let found = svd(&Stream::cpu(), &a, &Svd::default()).unwrap().checked().unwrap();
        for s in found.s.to_vec::<f32>().unwrap().chunks(m.min(n)) {
            assert!((s[0] - ((m * n) as f32).sqrt()).abs() < 1e-5, "{s:?}");
            assert!(s[1..].iter().all(|&s| s < 1e-6), "{s:?}");
        }
    }
}

#[test]
fn a_matrix_without_a_result_leaves_the_others() {
    for n in [3, 70] {
        let mut values = numbers(2 * n * n);
        values[n * n + 1] = f64::INFINITY;
        let a = Tensor::from_vec(values, [2, n, n]).unwrap();
        let found = svd(&Stream::cpu(), &a, &Svd::default()).unwrap();
        assert_eq!(found.info.to_vec::<i32>().unwrap(), [0, 1]);
        assert!(found.s.select(0, 0).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_finite()));
        assert!(found.s.select(0, 1).unwrap().to_vec::<f64>().unwrap().iter().all(|x| x.is_nan()));
        let error = found.checked().unwrap_err().to_string();
        assert!(error.contains("svd: a matrix holds a NaN or an infinity"), "{error}");
        assert!(error.ends_with("at 1"), "{error}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        svd(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap(), &Svd::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::U8, &[2, 2]).contains("a has dtype u8"));
    assert!("thin".parse::<SvdMode>().unwrap_err().to_string().contains("mode is thin"));
}
