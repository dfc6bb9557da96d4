use tilewright_core::{DType, Stream, Tensor};

use super::{KvGather, Layout, kv_gather};
use crate::cache::kv_append;

#[test]
fn what_was_appended_comes_back() {
    let cpu = Stream::cpu();
    let (tokens, heads, d, block) = (37usize, 3, 4, 8);
    let k =
        Tensor::from_vec((0..tokens * heads * d).map(|at| at as f32).collect(), [tokens, heads, d]).unwrap();
    let table = [4i32, 0, 3, 1, 2];
    let slots: Vec<i64> =
        (0..tokens).map(|t| i64::from(table[t / block]) * block as i64 + (t % block) as i64).collect();
    let cache = || Tensor::zeros(DType::F32, [5, block, heads, d]).unwrap();
    let (mut keys, mut values) = (cache(), cache());
    let slots = Tensor::from_vec(slots, [tokens]).unwrap();
    kv_append(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap();
    let table = Tensor::from_slice(&table, [1, 5]).unwrap();
    let lengths = Tensor::from_vec(vec![tokens as i32], [1]).unwrap();
    let rows = KvGather { tokens, layout: Layout::Nhd };
    let back = kv_gather(&cpu, &keys, &table, &lengths, &rows).unwrap();
    assert_eq!(back.to_vec::<f32>().unwrap(), k.to_vec::<f32>().unwrap());
    let heads_first = KvGather { tokens, layout: Layout::Hnd };
    let turned = kv_gather(&cpu, &values, &table, &lengths, &heads_first).unwrap();
    let truth = k.permute(&[1, 0, 2]).unwrap();
    assert_eq!(turned.to_vec::<f32>().unwrap(), truth.to_vec::<f32>().unwrap());
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let cache = Tensor::zeros(DType::F32, [2, 4, 1, 2]).unwrap();
    let table = |numbers: [i32; 2]| Tensor::from_slice(&numbers, [1, 2]).unwrap();
    let lengths = |length: i32| Tensor::from_vec(vec![length], [1]).unwrap();
    let error = |table: Tensor, lengths: Tensor, tokens: usize| {
        let args = KvGather { tokens, ..KvGather::default() };
        kv_gather(&cpu, &cache, &table, &lengths, &args).unwrap_err().to_string()
    };
    assert!(error(table([0, 1]), lengths(3), 9).contains("tokens is 9, expected at most 8"));
    assert!(error(table([0, 1]), lengths(7), 6).contains("lengths is 7, expected 0 to 6"));
    assert!(error(table([0, 1]), lengths(-1), 6).contains("lengths is -1"));
    assert!(error(table([0, 2]), lengths(5), 6).contains("table is 2, expected 0 to 1"));
    // A block that no token needs may be anything.
    let args = KvGather { tokens: 6, ..KvGather::default() };
    assert!(kv_gather(&cpu, &cache, &table([0, -1]), &lengths(4), &args).is_ok());
}
