use tilewright_core::{DType, Stream, Tensor};

use super::mla_append_quantized;
use crate::attention::{AttentionDecode, attention_decode};
use crate::pack::{Format, Quantize, Quantized};

#[test]
fn attention_reads_what_was_appended() {
    let cpu = Stream::cpu();
    let (tokens, r, p, heads) = (70usize, 64, 32, 5);
    let floats = |count: usize, step: usize| -> Vec<f32> {
        (0..count).map(|at| ((at * step % 509) as f32 - 254.0) / 127.0).collect()
    };
    let latent = Tensor::from_vec(floats(tokens * r, 7919), [tokens, r]).unwrap();
    let rotated = Tensor::from_vec(floats(tokens * p, 104_729), [tokens, p]).unwrap();
    let q = Tensor::from_vec(floats(heads * (r + p), 31), [1, heads, r + p]).unwrap();
    // The blocks of eight in reverse.
    let slots: Vec<i64> = (0..tokens as i64).map(|t| (8 - t / 8) * 8 + t % 8).collect();
    let slots = Tensor::from_vec(slots, [tokens]).unwrap();
    let table = Tensor::from_vec((0..9).rev().collect::<Vec<i32>>(), [1, 9]).unwrap();
    let lengths = Tensor::from_vec(vec![tokens as i32], [1]).unwrap();
    for (bits, format) in [(8, Format::Int), (4, Format::Int), (8, Format::E4m3)] {
        let args = Quantize { bits, format, block: 16 };
        let mut cache = Quantized::zeros(&cpu, &[9, 8, r + p], &args).unwrap();
        mla_append_quantized(&cpu, &latent, &rotated, &slots, &mut cache).unwrap();
        let keys = cache.reshape(&[9, 8, 1, r + p]).unwrap();
        let values = keys.columns(r).unwrap();
        let scores = AttentionDecode::default();
        let read = attention_decode(&cpu, &q, &keys, &values, &table, &lengths, &scores).unwrap();
        // The same of the numbers that the small ones stand for.
        let plain = keys.to_float(&cpu, DType::F32).unwrap();
        let first = plain.slice(3, 0..r).unwrap();
        let truth = attention_decode(&cpu, &q, &plain, &first, &table, &lengths, &scores).unwrap();
        let (read, truth) = (read.out.to_vec::<f32>().unwrap(), truth.out.to_vec::<f32>().unwrap());
        assert!(read.iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-5), "{bits} bits");
        assert_eq!(
            values.to_float(&cpu, DType::F32).unwrap().to_vec::<f32>().unwrap(),
            first.to_vec::<f32>().unwrap()
        );
    }
}

#[test]
fn wrong_arguments_are_named_and_nothing_is_written() {
    let cpu = Stream::cpu();
    let ones = |shape: &[usize]| Tensor::from_vec(vec![1.0f32; shape.iter().product()], shape).unwrap();
    let (latent, rotated) = (ones(&[2, 16]), ones(&[2, 2]));
    let slots = Tensor::from_vec(vec![0i64, 4], [2]).unwrap();
    let cache = |block: usize, n: usize| {
        Quantized::zeros(&cpu, &[2, 2, n], &Quantize { block, ..Quantize::default() }).unwrap()
    };
    let error = |cache: &mut Quantized| {
        mla_append_quantized(&cpu, &latent, &rotated, &slots, cache).unwrap_err().to_string()
    };
    let mut fits = cache(16, 18);
    assert!(error(&mut fits).contains("slots is 4, expected below 4"), "{}", error(&mut fits));
    assert_eq!(fits.values().to_vec::<i8>().unwrap(), [0; 72]);
    assert!(error(&mut cache(16, 19)).contains("cache has shape [2, 2, 19], expected [blocks, block, 18]"));
    for block in [0, 32] {
        let error = error(&mut cache(block, 18));
        assert!(error.contains(&format!("block of the cache is {block}, expected a divisor")), "{error}");
    }
    let shared = fits.clone();
    assert!(error(&mut fits).contains("its memory is shared"));
    drop(shared);
    let error = fits.columns(3).unwrap_err().to_string();
    assert!(error.contains("columns is 3, expected at most 18"), "{error}");
}
