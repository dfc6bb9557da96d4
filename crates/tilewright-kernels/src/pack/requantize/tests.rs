use tilewright_core::{DType, Stream, Tensor};

use super::cpu::halves;
use super::{reference, requantize};
use crate::pack::{Quantize, Quantized};

#[test]
fn every_byte_is_rounded_as_the_formula_says() {
    for value in i8::MIN..=i8::MAX {
        for place in 0..8 {
            let mut word = [0u8; 8];
            word[place] = value as u8;
            let half = halves(word)[place / 2] >> (4 * (place % 2)) & 15;
            assert_eq!(half, reference::narrowed(value) as u8 & 15, "{value} at {place}");
        }
    }
}

#[test]
fn it_stands_for_nearly_what_it_was_made_of() {
    let cpu = Stream::cpu();
    let x: Vec<f32> = (0..4096).map(|at| (at as f32 * 0.7).sin() * (1.0 + (at / 64) as f32)).collect();
    let x = Tensor::from_vec(x, [64, 64]).unwrap();
    let wide = Quantized::of(&cpu, &x, &Quantize { block: 32, ..Quantize::default() }).unwrap();
    let narrow = wide.requantized(&cpu).unwrap();
    assert_eq!((narrow.args().bits, narrow.args().block), (4, 32));
    let scales = narrow.scales().to_vec::<f32>().unwrap();
    let back = narrow.to_float(&cpu, DType::F32).unwrap().to_vec::<f32>().unwrap();
    for (at, (x, back)) in x.to_vec::<f32>().unwrap().into_iter().zip(back).enumerate() {
        let step = scales[at / 32];
        assert!((x - back).abs() <= 0.5001 * step * (1.0 + 7.0 / 127.0), "{at}: {x} {back} {step}");
    }
    assert!(narrow.requantized(&cpu).unwrap_err().to_string().contains("bits is 4"));
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let (values, scales) =
        (Tensor::zeros(DType::I8, [2, 8]).unwrap(), Tensor::zeros(DType::F32, [3, 1]).unwrap());
    assert!(requantize(&cpu, &values, &scales).unwrap_err().to_string().contains("scales has shape [3, 1]"));
    assert!(requantize(&cpu, &scales, &scales).unwrap_err().to_string().contains("values has dtype f32"));
}
