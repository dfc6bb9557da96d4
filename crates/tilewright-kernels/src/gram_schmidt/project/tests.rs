//! Errors of `project` and `deflate`, and what they are to each other.

use tilewright_core::{DType, Stream, Tensor};

use super::super::{Deflate, Project, deflate, project};

fn numbers(shape: &[usize]) -> Tensor {
    let element = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    Tensor::from_vec((0..shape.iter().product()).map(element).collect::<Vec<_>>(), shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let projected =
        |q: &Tensor, v: &Tensor| project(&Stream::cpu(), q, v, &Project::default()).unwrap_err().to_string();
    let deflated = |q: &Tensor, c: &Tensor, v: &Tensor| {
        deflate(&Stream::cpu(), q, c, v, &Deflate::default()).unwrap_err().to_string()
    };
    let (q, v, c) = (numbers(&[2, 5, 3]), numbers(&[2, 5]), numbers(&[2, 3]));
    for (error, part) in [
        (projected(&v.reshape([10]).unwrap(), &v), "project: q has shape [10], expected [.., m, k]"),
        (projected(&q, &c), "project: v has shape [2, 3], expected [2, 5] or [2, 5, p]"),
        (projected(&q, &numbers(&[3, 5])), "project: v has shape [3, 5]"),
        (projected(&q, &zeros(DType::F16, &[2, 5])), "project: v has dtype f16, expected f32"),
        (projected(&zeros(DType::I8, &[5, 3]), &v), "project: q has dtype i8"),
        (deflated(&q, &v, &v), "deflate: c has shape [2, 5], expected [2, 3]"),
        (deflated(&q, &numbers(&[2, 3, 4]), &v), "deflate: c has shape [2, 3, 4], expected [2, 3]"),
        (deflated(&q, &c, &c), "deflate: v has shape [2, 3]"),
        (deflated(&q, &zeros(DType::F64, &[2, 3]), &v), "deflate: c has dtype f64, expected f32"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

/// A block is its columns, and a batch its items.
#[test]
fn forms_agree() {
    let (b, m, k, p) = (3, 301, 10, 4);
    let (q, v) = (numbers(&[b, m, k]), numbers(&[b, m, p]));
    let args = Project { compensated: true };
    let block = project(&Stream::cpu(), &q, &v, &args).unwrap();
    let product = project(&Stream::cpu(), &q, &v, &Project::default()).unwrap();
    let left = deflate(&Stream::cpu(), &q, &block, &v, &Deflate { compensated: true }).unwrap();
    let left_too = deflate(&Stream::cpu(), &q, &block, &v, &Deflate::default()).unwrap();
    for batch in 0..b {
        for column in 0..p {
            let part = |tensor: &Tensor| tensor.select(0, batch).unwrap().select(1, column).unwrap();
            let alone = project(&Stream::cpu(), &q.select(0, batch).unwrap(), &part(&v), &args).unwrap();
            assert_eq!(part(&block).to_bytes().unwrap(), alone.to_bytes().unwrap());
            let (q, c) = (q.select(0, batch).unwrap(), part(&block));
            let alone = deflate(&Stream::cpu(), &q, &c, &part(&v), &Deflate { compensated: true }).unwrap();
            assert_eq!(part(&left).to_bytes().unwrap(), alone.to_bytes().unwrap());
        }
    }
    for (pair, roundings) in [((block, product), m as f64), ((left, left_too), k as f64)] {
        let (exact, plain) = (pair.0.to_f64_vec().unwrap(), pair.1.to_f64_vec().unwrap());
        for (exact, plain) in exact.iter().zip(plain) {
            assert!((exact - plain).abs() <= roundings * 6e-8 * m as f64, "{exact} {plain}");
        }
    }
}
