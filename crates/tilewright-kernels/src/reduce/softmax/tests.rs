use tilewright_core::{DType, Stream, Tensor};

use super::{Softmax, softmax};

fn of(row: &[f32]) -> Vec<f32> {
    let x = Tensor::from_slice(row, [row.len()]).unwrap();
    softmax(&Stream::cpu(), &x, &Softmax::default()).unwrap().to_vec().unwrap()
}

#[test]
fn rows_sum_to_one_and_keep_their_order() {
    for n in [1, 7, 1000, 40_000] {
        let row: Vec<f32> = (0..n).map(|j| ((j * 7919) % 10_007) as f32 / 500.0).collect();
        let out = of(&row);
        let total: f64 = out.iter().copied().map(f64::from).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
        for j in 1..n {
            assert!((row[j] > row[j - 1]) == (out[j] > out[j - 1]) || row[j] == row[j - 1], "at {j} of {n}");
        }
    }
}

#[test]
fn undefined_rows_are_nan_and_empty_ones_empty() {
    for row in [[f32::NEG_INFINITY; 2], [f32::INFINITY, 0.0], [0.0, f32::NAN]] {
        assert!(of(&row).iter().all(|p| p.is_nan()), "{row:?}");
    }
    assert_eq!(of(&[f32::NEG_INFINITY, 5.0]), [0.0, 1.0]);
    assert!(of(&[]).is_empty());
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error = |x: &Tensor, axis| softmax(&cpu, x, &Softmax { axis }).unwrap_err().to_string();
    let integers = error(&Tensor::zeros(DType::I64, [2]).unwrap(), -1);
    assert!(integers.contains("softmax: x has dtype i64, expected f32, f16, bf16, f64"), "{integers}");
    let rank = error(&Tensor::scalar(1.0f32), 0);
    assert!(rank.contains("softmax: x has shape [], expected at least 1 axis"), "{rank}");
}
