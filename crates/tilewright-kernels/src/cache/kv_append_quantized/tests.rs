use tilewright_core::{DType, Stream, Tensor};

use super::kv_append_quantized;
use crate::pack::{Format, Quantize, Quantized};

#[test]
fn keys_and_values_may_have_formats_of_their_own() {
    let cpu = Stream::cpu();
    let (tokens, heads, d) = (600usize, 3, 64);
    let x: Vec<f32> = (0..tokens * heads * d).map(|at| ((at * 7919 % 511) as f32 - 255.0) / 64.0).collect();
    let x = Tensor::from_vec(x, [tokens, heads, d]).unwrap();
    let bytes = Quantize { bits: 8, format: Format::E4m3, block: 0 };
    let halves = Quantize { bits: 4, format: Format::Int, block: 16 };
    let zeros = |args| Quantized::zeros(&cpu, &[40, 16, heads, d], args).unwrap();
    let (mut keys, mut values) = (zeros(&bytes), zeros(&halves));
    let slots: Vec<i64> = (0..tokens as i64).map(|t| t * 7 % 640).collect();
    let at = Tensor::from_slice(&slots, [tokens]).unwrap();
    kv_append_quantized(&cpu, &x, &x, &at, &mut keys, &mut values).unwrap();
    for (cache, args, error) in [(&keys, &bytes, 1.0 / 16.0), (&values, &halves, 0.51 / 7.0)] {
        let rows = cache.to_float(&cpu, DType::F32).unwrap().to_vec::<f32>().unwrap();
        let truth = Quantized::of(&cpu, &x, args).unwrap().to_float(&cpu, DType::F32).unwrap();
        let (truth, x) = (truth.to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
        for (t, &slot) in slots.iter().enumerate() {
            let own = &rows[slot as usize * heads * d..][..heads * d];
            assert_eq!(own, &truth[t * heads * d..][..heads * d]);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 4.0 * error;
            assert!(own.iter().zip(&x[t * heads * d..]).all(near), "token {t}");
        }
    }
}

#[test]
fn wrong_arguments_are_named_and_nothing_is_written() {
    let cpu = Stream::cpu();
    let k = Tensor::from_vec(vec![1.0f32; 8], [2, 2, 2]).unwrap();
    let slots = Tensor::from_vec(vec![0i64, 4], [2]).unwrap();
    let args = Quantize { block: 0, ..Quantize::default() };
    let cache = |d: usize| Quantized::zeros(&cpu, &[2, 2, 2, d], &args).unwrap();
    let (mut keys, mut values) = (cache(2), cache(2));
    let error = kv_append_quantized(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap_err().to_string();
    assert!(error.contains("slots is 4, expected below 4"), "{error}");
    assert_eq!(keys.values().to_vec::<i8>().unwrap(), [0; 16]);
    let shared = keys.clone();
    let error = kv_append_quantized(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap_err().to_string();
    assert!(error.contains("k_cache: is written, but its memory is shared"), "{error}");
    drop(shared);
    let mut other = cache(3);
    let error = kv_append_quantized(&cpu, &k, &k, &slots, &mut keys, &mut other).unwrap_err().to_string();
    assert!(error.contains("v_cache has shape [2, 2, 2, 3], expected [2, 2, 2, 2]"), "{error}");
    let double = Tensor::zeros(DType::F64, [2, 2, 2]).unwrap();
    let error = kv_append_quantized(&cpu, &double, &k, &slots, &mut keys, &mut values).unwrap_err();
    assert!(error.to_string().contains("k has dtype f64"), "{error}");
    let values = Tensor::zeros(DType::I8, [2, 3]).unwrap();
    let scales = Tensor::zeros(DType::F32, [2, 2]).unwrap();
    let error = Quantized::new(values, scales, 3, args).unwrap_err().to_string();
    assert!(error.contains("scales has shape [2, 2], expected [2, 1]"), "{error}");
}
