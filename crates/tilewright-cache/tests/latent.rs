//! A latent cache in few bits, and attention over it where it lies.

use tilewright_core::{DType, Stream, Tensor};
use tilewright_kernels::attention::{AttentionDecode, attention_decode};
use tilewright_kernels::cache::mla_append_quantized;
use tilewright_kernels::pack::{Format, Quantize, Quantized};

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
