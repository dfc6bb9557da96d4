use tilewright_core::{DType, Stream, Tensor};

use super::{AttentionDecode, attention_decode};

fn numbers(shape: &[usize], factor: f32) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|at| ((at * 7919 % 251) as f32 / 125.0 - 1.0) * factor).collect();
    Tensor::from_vec::<f32>(values, shape).unwrap()
}

#[test]
fn splits_and_neighbours_change_nothing_that_matters() {
    let cpu = Stream::cpu();
    let (q, k, v) = (numbers(&[2, 4, 8], 4.0), numbers(&[40, 16, 2, 8], 1.0), numbers(&[40, 16, 2, 6], 2.0));
    let table = Tensor::from_vec((0..40).rev().collect::<Vec<i32>>(), [2, 20]).unwrap();
    let lengths = Tensor::from_vec(vec![300i32, 17], [2]).unwrap();
    let read = |q: &Tensor, table: &Tensor, lengths: &Tensor, splits| {
        let args = AttentionDecode { splits, ..AttentionDecode::default() };
        attention_decode(&cpu, q, &k, &v, table, lengths, &args).unwrap().out.to_vec::<f32>().unwrap()
    };
    let whole = read(&q, &table, &lengths, 1);
    for splits in [0, 2, 7, 10_000] {
        for (a, b) in read(&q, &table, &lengths, splits).iter().zip(&whole) {
            assert!((a - b).abs() < 1e-5, "{splits} splits: {a} and {b}");
        }
    }
    let second = |tensor: &Tensor| tensor.slice(0, 1..2).unwrap();
    assert_eq!(read(&second(&q), &second(&table), &second(&lengths), 3), read(&q, &table, &lengths, 3)[24..]);
}

#[test]
fn blocks_before_the_window_may_have_been_given_back() {
    let cpu = Stream::cpu();
    let (q, cache) = (numbers(&[1, 1, 4], 4.0), numbers(&[3, 4, 1, 4], 1.0));
    let lengths = Tensor::from_vec(vec![15i32], [1]).unwrap();
    let args = AttentionDecode { window: 5, keep: 3, ..AttentionDecode::default() };
    let read = |numbers: [i32; 4]| {
        let table = Tensor::from_slice(&numbers, [1, 4]).unwrap();
        attention_decode(&cpu, &q, &cache, &cache, &table, &lengths, &args)
    };
    let one = read([0, -1, 1, 2]).unwrap().out.to_vec::<f32>().unwrap();
    assert_eq!(one, read([0, 2, 1, 2]).unwrap().out.to_vec::<f32>().unwrap());
    assert!(read([0, -1, 3, 2]).unwrap_err().to_string().contains("table is 3, expected 0 to 2"));
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let integers = |shape: &[usize]| Tensor::zeros(DType::I32, shape).unwrap();
    let (q, cache) = (x(&[2, 4, 8]), x(&[3, 4, 2, 8]));
    let error = |q: &Tensor, k: &Tensor, v: &Tensor, table: &Tensor, lengths: &Tensor| {
        let args = AttentionDecode::default();
        attention_decode(&cpu, q, k, v, table, lengths, &args).unwrap_err().to_string()
    };
    let (table, lengths) = (integers(&[2, 3]), integers(&[2]));
    assert!(error(&x(&[2, 3, 8]), &cache, &cache, &table, &lengths).contains("a multiple of 2 heads"));
    assert!(error(&q, &x(&[3, 4, 2, 7]), &cache, &table, &lengths).contains("k_cache has shape"));
    assert!(error(&q, &cache, &x(&[3, 4, 1, 8]), &table, &lengths).contains("v_cache has shape"));
    assert!(error(&q, &cache, &cache, &integers(&[1, 3]), &lengths).contains("table has shape"));
    assert!(error(&q, &cache, &cache, &table, &integers(&[3])).contains("lengths has shape"));
    let long = Tensor::from_vec(vec![0i32, 13], [2]).unwrap();
    assert!(error(&q, &cache, &cache, &table, &long).contains("lengths is 13, expected 0 to 12"));
}
