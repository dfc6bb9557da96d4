//! What cases cannot say: which argument an error names, and that a vector is a matrix of one column.

use tilewright_core::{DType, Stream, Tensor};

use super::super::{Matmul, matmul};
use super::{Gemv, gemv};

#[test]
fn errors_name_the_argument() {
    let cpu = Stream::cpu();
    let zeros = |dtype, dims: &[usize]| Tensor::zeros(dtype, dims).unwrap();
    let (a, x) = (zeros(DType::F32, &[2, 3, 4]), zeros(DType::F32, &[4]));
    let plain = Gemv::default();
    let transposed = Gemv { transpose: true, ..Gemv::default() };
    for (result, expected) in [
        (gemv(&cpu, &x, &x, &plain), "a has shape [4], expected at least 2 axes"),
        (gemv(&cpu, &a, &zeros(DType::F32, &[]), &plain), "x has shape [], expected at least 1 axis"),
        (gemv(&cpu, &a, &x, &transposed), "x has shape [4], expected [.., 3]"),
        (gemv(&cpu, &a, &zeros(DType::F32, &[3, 4]), &plain), "x has shape [3, 4], expected leading axes"),
        (gemv(&cpu, &a, &zeros(DType::F16, &[4]), &plain), "x has dtype f16, expected f32, as a has"),
        (gemv(&cpu, &a, &x, &Gemv { out_dtype: Some(DType::F64), ..Gemv::default() }), "out_dtype is f64"),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.operation(), "gemv");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_vector_is_a_matrix_of_one_column() {
    let cpu = Stream::cpu();
    // Whole numbers: exact in any order. Long enough for several pieces, wide enough for several tasks.
    let value = |i: usize| ((i * 29) % 7) as f64 - 3.0;
    for (m, k) in [(5, 70_000), (9000, 33), (1, 1), (130, 1025)] {
        for dtype in [DType::F64, DType::F32, DType::F16] {
            let tensor = |dims: [usize; 2]| {
                let values: Vec<f64> = (0..dims[0] * dims[1]).map(value).collect();
                Tensor::from_f64(&values, dtype, dims).unwrap()
            };
            let (x, out_dtype) =
                (tensor([k, 1]), Some(if dtype == DType::F64 { DType::F64 } else { DType::F32 }));
            for transpose in [false, true] {
                let a = tensor(if transpose { [k, m] } else { [m, k] });
                let args = Matmul { transpose_a: transpose, out_dtype, ..Matmul::default() };
                let column = matmul(&cpu, &a, &x, None, &args).unwrap();
                let vector =
                    gemv(&cpu, &a, &x.reshape([k]).unwrap(), &Gemv { transpose, out_dtype }).unwrap();
                assert_eq!(
                    vector.to_bytes().unwrap(),
                    column.to_bytes().unwrap(),
                    "{m} {k} {dtype} {transpose}"
                );
            }
        }
    }
}
