use tilewright_core::{DType, Stream, Tensor};

use super::{Format, Quantize, quantize};
use crate::pack::{Dequantize, dequantize};

#[test]
fn what_is_read_back_is_near() {
    let cpu = Stream::cpu();
    let row: Vec<f32> = (0..1000).map(|j| ((j * 7919 % 2003) as f32 - 1001.0) / 37.0).collect();
    let x = Tensor::from_slice(&row, [2, 500]).unwrap();
    for (bits, block) in [(8, 32), (8, 0), (4, 16), (4, 0)] {
        let (values, scales) = quantize(&cpu, &x, &Quantize { bits, block, ..Quantize::default() }).unwrap();
        let args = Dequantize { bits, block, n: 500, ..Dequantize::default() };
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
fn floats_of_8_bits_are_as_near_as_their_bits() {
    let cpu = Stream::cpu();
    let row: Vec<f32> = (0..1000).map(|j| ((j * 7919 % 2003) as f32 - 1001.0) / 37.0).collect();
    let x = Tensor::from_slice(&row, [2, 500]).unwrap();
    for (format, bits, least) in [(Format::E4m3, 4, 1.0 / 28_672.0), (Format::E5m2, 3, 0.0)] {
        let (values, scales) =
            quantize(&cpu, &x, &Quantize { format, block: 0, ..Quantize::default() }).unwrap();
        let args = Dequantize { format, block: 0, n: 500, ..Dequantize::default() };
        let back = dequantize(&cpu, &values, &scales, &args).unwrap().to_vec::<f32>().unwrap();
        for (x, back) in row.iter().zip(back) {
            // Half of a unit of the last bit, and three roundings of f32; half of the smallest number.
            let bound = x.abs() * (0.5f32.powi(bits) + 1e-6) + 27.1 * least;
            assert!((x - back).abs() <= bound, "{format:?}: {x} {back}");
        }
        assert!(back_at_the_largest(&values, &scales, format));
    }
}

/// Whether the largest magnitude of a row comes back whole.
fn back_at_the_largest(values: &Tensor, scales: &Tensor, format: Format) -> bool {
    let args = Dequantize { format, block: 0, n: 500, ..Dequantize::default() };
    let back = dequantize(&Stream::cpu(), values, scales, &args).unwrap().to_vec::<f32>().unwrap();
    let top = back.iter().fold(0.0f32, |a, x| a.max(x.abs()));
    (top - 1001.0 / 37.0).abs() < 1e-4
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = Tensor::zeros(DType::F32, [2, 32]).unwrap();
    for (args, part) in [
        (Quantize { bits: 5, ..Quantize::default() }, "bits is 5, expected 8 or 4"),
        (Quantize { bits: 4, format: Format::E4m3, block: 32 }, "bits is 4, expected 8 of a float"),
        (Quantize { block: 24, ..Quantize::default() }, "block is 24"),
    ] {
        let error = quantize(&cpu, &x, &args).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let scalar = Tensor::scalar(1.0f32);
    assert!(quantize(&cpu, &scalar, &Quantize::default()).unwrap_err().to_string().contains("x has shape"));
}
