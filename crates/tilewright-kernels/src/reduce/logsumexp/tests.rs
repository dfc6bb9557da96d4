use tilewright_core::{DType, Stream, Tensor};

use super::{Logsumexp, logsumexp};

fn of(row: &[f32]) -> f32 {
    let x = Tensor::from_slice(row, [row.len()]).unwrap();
    logsumexp(&Stream::cpu(), &x, &Logsumexp::default()).unwrap().to_vec::<f32>().unwrap()[0]
}

#[test]
fn a_shift_of_the_row_shifts_the_result() {
    // Quarters, so that the shift is exact.
    let row: Vec<f32> = (0..3000).map(|j| (j * 37 % 101) as f32 / 4.0).collect();
    let plain = of(&row);
    for shift in [-4096.0, 1024.0] {
        let shifted: Vec<f32> = row.iter().map(|x| x + shift).collect();
        let difference = of(&shifted) - shift;
        assert!((difference - plain).abs() <= 4096.0 * f32::EPSILON, "{difference} {plain}");
    }
}

#[test]
fn joining_two_halves_is_the_whole() {
    let row: Vec<f32> = (0..5000).map(|j| ((j * 7919 % 1000) as f32 - 500.0) / 10.0).collect();
    let (left, right) = row.split_at(1777);
    let joined = of(&[of(left), of(right)]);
    assert!((joined - of(&row)).abs() <= 64.0 * f32::EPSILON * joined.abs(), "{joined}");
}

#[test]
fn the_ends() {
    assert_eq!(of(&[]), f32::NEG_INFINITY);
    assert_eq!(of(&[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
    assert_eq!(of(&[f32::NEG_INFINITY, 2.5]), 2.5);
    assert_eq!(of(&[1.0, f32::INFINITY, f32::NEG_INFINITY]), f32::INFINITY);
    assert!(of(&[f32::INFINITY, f32::NAN]).is_nan());
    assert!(of(&[f32::NAN, f32::NEG_INFINITY]).is_nan());
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error = |x: &Tensor, axis| logsumexp(&cpu, x, &Logsumexp { axis }).unwrap_err().to_string();
    let integers = error(&Tensor::zeros(DType::I32, [2]).unwrap(), -1);
    assert!(integers.contains("logsumexp: x has dtype i32, expected f32, f16, bf16, f64"), "{integers}");
    let axis = error(&Tensor::zeros(DType::F32, [2]).unwrap(), 5);
    assert!(axis.contains("logsumexp: axis is 5"), "{axis}");
}
