//! What cases cannot say: which argument an error names, and that a Gram matrix is the product that it abbreviates.

use tilewright_core::{DType, Stream, Tensor};

use super::super::{Matmul, matmul};
use super::{Gram, gram};

#[test]
fn errors_name_the_argument() {
    let cpu = Stream::cpu();
    let zeros = |dtype, dims: &[usize]| Tensor::zeros(dtype, dims).unwrap();
    let out = |dtype| Gram { out_dtype: Some(dtype), ..Gram::default() };
    let tile = Gram { tile: Some("512x512x8/8x8".parse().unwrap()), ..Gram::default() };
    let a = zeros(DType::F32, &[3, 4]);
    for (result, expected) in [
        (gram(&cpu, &zeros(DType::F32, &[3]), &Gram::default()), "a has shape [3], expected at least 2 axes"),
        (gram(&cpu, &zeros(DType::U8, &[3, 4]), &Gram::default()), "a has dtype u8, expected f64"),
        (gram(&cpu, &a, &out(DType::F64)), "out_dtype is f64, expected one of f32, f16, bf16"),
        (gram(&cpu, &a, &tile), "tile: 512x512x8/8x8: 4096 threads, of at most 1024"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.operation(), "gram");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn it_is_the_product_with_the_transpose() {
    let cpu = Stream::cpu();
    // Whole numbers: exact in any order.
    let values: Vec<f64> = (0..2 * 37 * 70).map(|i| ((i * 29) % 15) as f64 - 7.0).collect();
    for dtype in [DType::F64, DType::F32, DType::Bf16] {
        let a = Tensor::from_f64(&values, dtype, [2, 37, 70]).unwrap();
        for of_rows in [false, true] {
            let product = Matmul { transpose_a: !of_rows, transpose_b: of_rows, ..Matmul::default() };
            let whole = matmul(&cpu, &a, &a, None, &product).unwrap();
            let half = gram(&cpu, &a, &Gram { of_rows, ..Gram::default() }).unwrap();
            assert_eq!(half.to_bytes().unwrap(), whole.to_bytes().unwrap(), "{dtype}, of_rows {of_rows}");
        }
    }
}
