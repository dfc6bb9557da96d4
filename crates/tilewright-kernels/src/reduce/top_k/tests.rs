use tilewright_core::{DType, Stream, Tensor};

use super::{TopK, top_k};

fn of(row: &[f32], args: TopK) -> (Vec<f32>, Vec<u32>) {
    let x = Tensor::from_slice(row, [row.len()]).unwrap();
    let (values, positions) = top_k(&Stream::cpu(), &x, &args).unwrap();
    (values.to_vec().unwrap(), positions.to_vec().unwrap())
}

#[test]
fn moving_distinct_elements_moves_the_positions_alone() {
    // 7919 is a primitive step modulo the prime 10007: a permutation without order.
    let row: Vec<f32> = (0..10_007u64).map(|j| (j * 7919 % 10_007) as f32).collect();
    for k in [1, 50, 5000, 10_007] {
        let args = TopK { k, ..TopK::default() };
        let (values, positions) = of(&row, args);
        let mut moved = row.clone();
        moved.rotate_left(1234);
        let (moved_values, moved_positions) = of(&moved, args);
        assert_eq!(values, moved_values);
        let back: Vec<u32> = moved_positions.iter().map(|at| (at + 1234) % 10_007).collect();
        assert_eq!(positions, back);
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]));
    }
}

#[test]
fn more_is_a_continuation_and_all_is_a_sort() {
    let row: Vec<f32> = (0..3000).map(|j| (j * 31 % 17) as f32 - 8.0).collect();
    for largest in [true, false] {
        let (all, everywhere) = of(&row, TopK { k: 3000, largest, ..TopK::default() });
        for k in [0, 1, 100, 2999] {
            let (values, positions) = of(&row, TopK { k, largest, ..TopK::default() });
            assert_eq!((&values[..], &positions[..]), (&all[..k], &everywhere[..k]));
        }
        let mut sorted = everywhere.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..3000));
    }
}

#[test]
fn bits_are_kept_and_nan_comes_last() {
    let odd = f32::from_bits(0xffc0_1234);
    let (values, positions) = of(&[0.0, odd, -0.0, f32::NEG_INFINITY], TopK { k: 4, ..TopK::default() });
    assert_eq!(positions, [0, 2, 3, 1]);
    assert!(values[1].is_sign_negative() && values[1] == 0.0);
    assert_eq!(values[3].to_bits(), 0xffc0_1234);
    // More NaN than k before the first number.
    let mut row = vec![f32::NAN; 4000];
    row[3777] = f32::NEG_INFINITY;
    let (_, positions) = of(&row, TopK { k: 2, ..TopK::default() });
    assert_eq!(positions, [3777, 0]);
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    for (args, part) in [
        (TopK { k: 4, ..TopK::default() }, "top_k: k is 4, expected at most 3, the extent of the axis"),
        (TopK { axis: 2, ..TopK::default() }, "top_k: axis is 2, expected -2..2"),
        (TopK { index: DType::I32, ..TopK::default() }, "top_k: index has dtype i32, expected u32, i64"),
    ] {
        let error = top_k(&cpu, &x, &args).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
