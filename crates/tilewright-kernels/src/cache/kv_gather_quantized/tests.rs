use tilewright_core::{DType, Stream, Tensor};

use super::{KvGatherQuantized, kv_gather_quantized};
use crate::cache::kv_append_quantized;
use crate::pack::{Quantize, Quantized};

#[test]
fn what_was_appended_comes_back_as_nearly_as_its_blocks_allow() {
    let cpu = Stream::cpu();
    let (tokens, heads, d, block) = (37usize, 3, 40, 8);
    let x: Vec<f32> = (0..tokens * heads * d).map(|at| ((at * 7919 % 1009) as f32 - 504.0) / 97.0).collect();
    let k = Tensor::from_vec(x, [tokens, heads, d]).unwrap();
    let table = [4i32, 0, 3, 1, 2];
    let slots: Vec<i64> =
        (0..tokens).map(|t| i64::from(table[t / block]) * block as i64 + (t % block) as i64).collect();
    let slots = Tensor::from_vec(slots, [tokens]).unwrap();
    let (table, lengths) =
        (Tensor::from_slice(&table, [1, 5]).unwrap(), Tensor::from_vec(vec![tokens as i32], [1]).unwrap());
    for args in
        [Quantize { block: 16, ..Quantize::default() }, Quantize { bits: 4, block: 0, ..Quantize::default() }]
    {
        let cache = || Quantized::zeros(&cpu, &[5, block, heads, d], &args).unwrap();
        let (mut keys, mut values) = (cache(), cache());
        kv_append_quantized(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap();
        let rows = KvGatherQuantized { tokens, ..KvGatherQuantized::default() };
        let back = kv_gather_quantized(&cpu, &keys, &table, &lengths, &rows).unwrap();
        let truth = Quantized::of(&cpu, &k, &args).unwrap().to_float(&cpu, DType::F32).unwrap();
        assert_eq!(back.to_vec::<f32>().unwrap(), truth.to_vec::<f32>().unwrap());
        let step = if args.bits == 8 { 127.0 } else { 7.0 };
        let (back, k) = (back.to_vec::<f32>().unwrap(), k.to_vec::<f32>().unwrap());
        assert!(back.iter().zip(&k).all(|(a, b)| (a - b).abs() < 0.51 * 504.0 / 97.0 / step));
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let args = Quantize { block: 0, ..Quantize::default() };
    let cache = Quantized::zeros(&cpu, &[2, 4, 1, 2], &args).unwrap();
    let table = |numbers: [i32; 2]| Tensor::from_slice(&numbers, [1, 2]).unwrap();
    let lengths = |length: i32| Tensor::from_vec(vec![length], [1]).unwrap();
    let error = |cache: &Quantized, table: Tensor, lengths: Tensor, tokens: usize, dtype: DType| {
        let args = KvGatherQuantized { tokens, dtype, ..KvGatherQuantized::default() };
        kv_gather_quantized(&cpu, cache, &table, &lengths, &args).unwrap_err().to_string()
    };
    assert!(
        error(&cache, table([0, 1]), lengths(3), 9, DType::F32).contains("tokens is 9, expected at most 8")
    );
    assert!(
        error(&cache, table([0, 1]), lengths(7), 6, DType::F32).contains("lengths is 7, expected 0 to 6")
    );
    assert!(error(&cache, table([0, 2]), lengths(5), 6, DType::F32).contains("table is 2, expected 0 to 1"));
    assert!(error(&cache, table([0, 1]), lengths(5), 6, DType::I8).contains("dtype has dtype i8"));
    let flat = Quantized::zeros(&cpu, &[2, 4, 2], &args).unwrap();
    assert!(error(&flat, table([0, 1]), lengths(5), 6, DType::F32).contains("cache has shape"));
}
