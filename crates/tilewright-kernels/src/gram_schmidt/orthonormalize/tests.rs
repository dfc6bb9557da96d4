//! Properties that cases cannot say.

use tilewright_core::{DType, Stream, Tensor};

use super::{Orthonormalize, orthonormalize};

fn numbers(elements: usize) -> Vec<f32> {
    (0..elements as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

fn columns(a: &Tensor, basis: Option<&Tensor>) -> Tensor {
    orthonormalize(&Stream::cpu(), a, basis, &Orthonormalize::default()).unwrap().q
}

#[test]
fn a_power_of_two_times_a_column_changes_nothing() {
    let (m, n) = (41, 11);
    let plain = numbers(m * n);
    let scaled: Vec<f32> =
        plain.iter().enumerate().map(|(e, x)| x * 2f32.powi(7 * (e % n) as i32 - 50)).collect();
    let run = |data: Vec<f32>| columns(&Tensor::from_vec(data, [m, n]).unwrap(), None).to_bytes().unwrap();
    assert_eq!(run(plain), run(scaled));
}

#[test]
fn one_batch_item_is_as_if_alone() {
    let (b, m, n) = (5, 30, 9);
    let a = Tensor::from_vec(numbers(b * m * n), [b, m, n]).unwrap();
    let together = columns(&a, None);
    for batch in 0..b {
        let alone = columns(&a.select(0, batch).unwrap(), None);
        assert_eq!(together.select(0, batch).unwrap().to_bytes().unwrap(), alone.to_bytes().unwrap());
    }
}

/// The columns are unique but for rounding: in two calls, the first result as a basis of the second, as in one.
#[test]
fn in_two_calls_as_in_one() {
    let (m, n) = (60, 12);
    let a = Tensor::from_vec(numbers(m * n), [m, n]).unwrap();
    let whole = columns(&a, None).slice(1, 7..n).unwrap().to_vec::<f32>().unwrap();
    let first = columns(&a.slice(1, 0..7).unwrap(), None);
    let second = columns(&a.slice(1, 7..n).unwrap(), Some(&first)).to_vec::<f32>().unwrap();
    for (whole, second) in whole.iter().zip(&second) {
        assert!((whole - second).abs() < 1e-5, "{whole} {second}");
    }
}

#[test]
fn a_nan_is_seen() {
    let mut data = numbers(20);
    data[6] = f32::NAN; // row 1, column 2
    let q = columns(&Tensor::from_vec(data, [5, 4]).unwrap(), None).to_vec::<f32>().unwrap();
    assert!((0..5).all(|i| q[4 * i].is_finite() && q[4 * i + 1].is_finite()));
    assert!((0..5).all(|i| q[4 * i + 2].is_nan() && q[4 * i + 3].is_nan()));
}

#[test]
fn wrong_arguments_are_named() {
    let a = Tensor::zeros(DType::F32, [4, 3]).unwrap();
    let error = |a: &Tensor, basis: Option<&Tensor>, tolerance: Option<f64>| {
        orthonormalize(&Stream::cpu(), a, basis, &Orthonormalize { tolerance }).unwrap_err().to_string()
    };
    let zeros = |dtype, shape: &[usize]| Tensor::zeros(dtype, shape).unwrap();
    for (error, part) in [
        (error(&zeros(DType::F32, &[4]), None, None), "a has shape [4], expected [.., m, n]"),
        (error(&zeros(DType::F16, &[4, 3]), None, None), "a has dtype f16"),
        (error(&a, Some(&zeros(DType::F32, &[5, 3])), None), "basis has shape [5, 3]"),
        (error(&a, Some(&zeros(DType::F64, &[4, 3])), None), "basis has dtype f64, expected f32"),
        (error(&a, None, Some(1.0)), "tolerance is 1"),
        (error(&a, None, Some(f64::NAN)), "tolerance is NaN"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
