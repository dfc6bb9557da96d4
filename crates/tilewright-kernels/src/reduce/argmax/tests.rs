use tilewright_core::{DType, Stream, Tensor};

use super::{Argmax, argmax};

#[test]
fn the_element_at_the_position_is_the_first_of_the_largest() {
    // Every place of the largest, and of its echo, in rows about as long as the lanes.
    for n in [1, 2, 63, 64, 65, 130] {
        for first in 0..n {
            let row: Vec<i32> =
                (0..n).map(|j| if j == first || j == n - 1 { 9 } else { -(j as i32) - 1 }).collect();
            let found =
                argmax(&Stream::cpu(), &Tensor::from_vec(row, [n]).unwrap(), &Argmax::default()).unwrap();
            assert_eq!(found.to_vec::<u32>().unwrap(), [first as u32], "of {n}");
        }
    }
}

#[test]
fn the_first_nan_wins_over_infinity_wherever_the_blocks_end() {
    for at in [0, 1, 1023, 1024, 32_767, 32_768, 70_000] {
        let mut row = vec![f32::NEG_INFINITY; 70_002];
        row[at.max(1) - 1] = f32::INFINITY;
        row[at] = -f32::NAN;
        row[70_001] = f32::NAN;
        let x = Tensor::from_vec(row, [70_002]).unwrap();
        let found = argmax(&Stream::cpu(), &x, &Argmax { index: DType::I64, ..Default::default() }).unwrap();
        assert_eq!(found.to_vec::<i64>().unwrap(), [at as i64]);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let find = |dims: &[usize], args: Argmax| {
        argmax(&cpu, &Tensor::zeros(DType::F32, dims).unwrap(), &args).unwrap_err().to_string()
    };
    let empty = find(&[2, 0, 3], Argmax { axis: 1, ..Default::default() });
    assert!(empty.contains("argmax: x has shape [2, 0, 3], expected at least 1 element"), "{empty}");
    let index = find(&[2], Argmax { index: DType::F32, ..Default::default() });
    assert!(index.contains("argmax: index has dtype f32, expected u32, i64"), "{index}");
    let axis = find(&[2], Argmax { axis: 1, ..Default::default() });
    assert!(axis.contains("argmax: axis is 1, expected -1..1"), "{axis}");
}
