//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Qr, QrMode, qr};

fn numbers(elements: usize) -> Vec<f64> {
    (0..elements).map(|i| (0.7 * (i * i) as f64).sin()).collect()
}

fn close(x: &Tensor, y: &[f64]) -> bool {
    let x = x.to_vec::<f64>().unwrap();
    x.len() == y.len() && x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-4)
}

#[test]
fn signs_are_lapacks_or_nonnegative() {
    let a = Tensor::from_vec(vec![1.0f64, 2.0, 3.0, 4.0], [2, 2]).unwrap();
    let run = |nonnegative| qr(&Stream::cpu(), &a, &Qr { nonnegative, ..Qr::default() }).unwrap();
    let (plain, positive) = (run(false), run(true));
    assert!(close(&plain.q.unwrap(), &[-0.316228, -0.948683, -0.948683, 0.316228]));
    assert!(close(&plain.r, &[-3.162278, -4.427189, 0.0, -0.632456]));
    assert!(close(&positive.q.unwrap(), &[0.316228, 0.948683, 0.948683, -0.316228]));
    assert!(close(&positive.r, &[3.162278, 4.427189, 0.0, 0.632456]));
}

#[test]
fn modes_agree() {
    for (m, n) in [(9, 4), (4, 9), (6, 6), (80, 50)] {
        let a = Tensor::from_vec(numbers(m * n), [m, n]).unwrap();
        let run = |mode| qr(&Stream::cpu(), &a, &Qr { mode, nonnegative: true }).unwrap();
        let (reduced, complete, alone) = (run(QrMode::Reduced), run(QrMode::Complete), run(QrMode::R));
        let k = m.min(n);
        assert!(alone.q.is_none());
        assert_eq!(alone.r.to_bytes().unwrap(), reduced.r.to_bytes().unwrap());
        assert_eq!(complete.r.slice(0, 0..k).unwrap().to_bytes().unwrap(), reduced.r.to_bytes().unwrap());
        let whole = complete.q.unwrap().slice(1, 0..k).unwrap().to_vec::<f64>().unwrap();
        let part = reduced.q.unwrap().to_vec::<f64>().unwrap();
        assert!(whole.iter().zip(&part).all(|(x, y)| (x - y).abs() < 1e-14));
    }
}

#[test]
fn a_batch_is_as_one_by_one_to_rounding() {
    let (b, m, n) = (13, 11, 7);
    let a = Tensor::from_vec(numbers(b * m * n), [b, m, n]).unwrap();
    let run = |a: &Tensor| qr(&Stream::cpu(), a, &Qr::default()).unwrap();
    let together = run(&a);
    for item in 0..b {
        let alone = run(&a.select(0, item).unwrap());
        let part = together.r.select(0, item).unwrap().to_vec::<f64>().unwrap();
        assert!(alone.r.to_vec::<f64>().unwrap().iter().zip(&part).all(|(x, y)| (x - y).abs() < 1e-13));
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize]| {
        qr(&Stream::cpu(), &Tensor::zeros(dtype, shape).unwrap(), &Qr::default()).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4]).contains("a has shape [4], expected [.., m, n]"));
    assert!(error(DType::U8, &[2, 2]).contains("a has dtype u8"));
    assert!("full".parse::<QrMode>().unwrap_err().to_string().contains("mode is full"));
}
