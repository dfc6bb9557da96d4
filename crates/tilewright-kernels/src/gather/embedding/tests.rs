use tilewright_core::{DType, Stream, Tensor};

use super::embedding;
use crate::gather::embedding_bw;

#[test]
fn wrong_arguments_are_named() {
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    let error = |table: &Tensor, ids: &Tensor| embedding(&Stream::cpu(), table, ids).unwrap_err().to_string();
    let (table, ids) = (zeros(DType::F32, &[3, 2]), zeros(DType::I64, &[4]));
    for (error, part) in [
        (error(&zeros(DType::U8, &[3, 2]), &ids), "table has dtype u8"),
        (error(&zeros(DType::F32, &[3]), &ids), "table has shape [3], expected [n, d]"),
        (error(&table, &zeros(DType::F32, &[4])), "ids has dtype f32, expected i64"),
        (error(&table, &Tensor::from_vec(vec![0i64, 3], [2]).unwrap()), "ids is 3, expected 0..3"),
        (error(&table, &Tensor::from_vec(vec![-1i64], [1]).unwrap()), "ids is -1, expected 0..3"),
    ] {
        assert!(error.starts_with("embedding: ") && error.contains(part), "{error}");
    }
    let error = embedding_bw(&Stream::cpu(), &zeros(DType::F32, &[3, 2]), &ids, 5).unwrap_err().to_string();
    assert!(error.contains("embedding_bw: dy has shape [3, 2], expected [4, d] as ids"), "{error}");
}
