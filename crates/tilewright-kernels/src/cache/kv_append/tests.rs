use tilewright_core::{DType, Stream, Tensor};

use super::kv_append;

#[test]
fn many_tokens_go_to_their_slots_and_nothing_else_moves() {
    // More than one task's bytes, slots in a shuffled order, every fifth token without one.
    let (tokens, d, capacity) = (3000usize, 256usize, 4096usize);
    let k: Vec<f32> = (0..tokens * d).map(|at| at as f32).collect();
    let slots: Vec<i64> =
        (0..tokens).map(|t| if t % 5 == 0 { -1 } else { (t * 1237 % capacity) as i64 }).collect();
    let k = Tensor::from_vec(k, [tokens, 1, d]).unwrap();
    let mut keys = Tensor::from_vec(vec![-1.0f32; capacity * d], [capacity / 16, 16, 1, d]).unwrap();
    let mut values = Tensor::from_vec(vec![-1.0f32; capacity * d], [capacity / 16, 16, 1, d]).unwrap();
    let at = Tensor::from_slice(&slots, [tokens]).unwrap();
    kv_append(&Stream::cpu(), &k, &k, &at, &mut keys, &mut values).unwrap();
    let mut expected = vec![-1.0f32; capacity];
    slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| **slot >= 0)
        .for_each(|(t, &slot)| expected[slot as usize] = (t * d) as f32);
    for cache in [keys, values] {
        let cache = cache.to_vec::<f32>().unwrap();
        assert!(cache.chunks(d).map(|row| row[0]).eq(expected.iter().copied()));
    }
}

#[test]
fn wrong_arguments_are_named_and_nothing_is_written() {
    let cpu = Stream::cpu();
    let k = Tensor::from_vec(vec![1.0f32; 8], [2, 2, 2]).unwrap();
    let slots = Tensor::from_vec(vec![0i64, 4], [2]).unwrap();
    let cache = || Tensor::zeros(DType::F32, [2, 2, 2, 2]).unwrap();
    let (mut keys, mut values) = (cache(), cache());
    let error = kv_append(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap_err().to_string();
    assert!(error.contains("slots is 4, expected below 4"), "{error}");
    assert_eq!(keys.to_vec::<f32>().unwrap(), [0.0; 16]);
    let shared = keys.clone();
    let error = kv_append(&cpu, &k, &k, &slots, &mut keys, &mut values).unwrap_err().to_string();
    assert!(error.contains("k_cache: is written, but its memory is shared"), "{error}");
    drop(shared);
    let mut other = Tensor::zeros(DType::F32, [2, 2, 2, 3]).unwrap();
    let error = kv_append(&cpu, &k, &k, &slots, &mut keys, &mut other).unwrap_err().to_string();
    assert!(error.contains("v_cache has shape [2, 2, 2, 3], expected [2, 2, 2, 2]"), "{error}");
    let error = kv_append(&cpu, &k, &k, &k, &mut keys, &mut values).unwrap_err().to_string();
    assert!(error.contains("slots has dtype f32"), "{error}");
}
