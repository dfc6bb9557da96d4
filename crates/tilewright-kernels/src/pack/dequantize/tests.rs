use tilewright_core::{DType, Stream, Tensor};

use super::{Dequantize, dequantize};

#[test]
fn rows_of_odd_lengths_and_views_are_read() {
    let cpu = Stream::cpu();
    // -8 .. 7, then one element alone.
    let bytes: Vec<u8> = [0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32, 0x54, 0x76, 0x03].into();
    let values = Tensor::from_vec(bytes, [1, 9]).unwrap().broadcast_to([2, 9]).unwrap();
    let scales = Tensor::from_vec(vec![1.0f32, 2.0, 0.5, 4.0], [2, 2]).unwrap();
    let args = Dequantize { bits: 4, block: 16, n: 17, ..Dequantize::default() };
    let out = dequantize(&cpu, &values, &scales, &args).unwrap().to_vec::<f32>().unwrap();
    let first: Vec<f32> = (-8..8).map(|q| q as f32).chain([6.0]).collect();
    let second: Vec<f32> = (-8..8).map(|q| q as f32 * 0.5).chain([12.0]).collect();
    assert_eq!(out, [first, second].concat());
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let values = Tensor::zeros(DType::I8, [2, 64]).unwrap();
    let scales = Tensor::zeros(DType::F32, [2, 2]).unwrap();
    let good = Dequantize { n: 64, ..Dequantize::default() };
    let error =
        |values: &Tensor, args: Dequantize| dequantize(&cpu, values, &scales, &args).unwrap_err().to_string();
    assert!(
        error(&values, Dequantize { n: 65, ..good }).contains("values has shape [2, 64], expected [.., 65]")
    );
    assert!(
        error(&values, Dequantize { block: 16, ..good }).contains("scales has shape [2, 2], expected [2, 4]")
    );
    assert!(
        error(&values, Dequantize { bits: 4, n: 128, ..good }).contains("values has dtype i8, expected u8")
    );
    assert!(error(&values, Dequantize { dtype: DType::F64, ..good }).contains("dtype has dtype f64"));
}
