use tilewright_core::{DType, Stream, Tensor};

use super::{Quantize, quantize};
use crate::pack::{Dequantize, dequantize};

#[test]
fn what_is_read_back_is_near() {
    let cpu = Stream::cpu();
    let row: Vec<f32> = (0..1000).map(|j| ((j * 7919 % 2003) as f32 - 1001.0) / 37.0).collect();
    let x = Tensor::from_slice(&row, [2, 500]).unwrap();
    for (bits, block) in [(8, 32), (8, 0), (4, 16), (4, 0)] {
        let (values, scales) = quantize(&cpu, &x, &Quantize { bits, block }).unwrap();
        let args = Dequantize { bits, block, n: 500, dtype: DType::F32 };
        let back = dequantize(&cpu, &values, &scales, &args).unwrap().to_vec::<f32>().unwrap();
        let scales = scales.to_vec::<f32>().unwrap();
        let (block, blocks) = if block == 0 { (500, 1) } else { (block, 500usize.div_ceil(block)) };
        for (j, (x, back)) in row.iter().zip(back).enumerate() {
            let scale = scales[j / 500 * blocks + j % 500 / block];
            assert!(
                (x - back).abs() <= scale * (0.5 + 1.0 / 65536.0),
                "{bits} bits, element {j}: {x} {back}"
            );
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = Tensor::zeros(DType::F32, [2, 32]).unwrap();
    for (args, part) in [
        (Quantize { bits: 5, block: 32 }, "bits is 5, expected 8 or 4"),
        (Quantize { bits: 8, block: 24 }, "block is 24"),
    ] {
        let error = quantize(&cpu, &x, &args).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let scalar = Tensor::scalar(1.0f32);
    assert!(quantize(&cpu, &scalar, &Quantize::default()).unwrap_err().to_string().contains("x has shape"));
}
