use tilewright_core::{DType, Stream, Tensor};

use super::{Mode, Sum, sum};

#[test]
fn compensation_survives_what_pairwise_summation_does_not() {
    // sum = 1000, sum |x| = 2e11: a condition number of 2e8, above 1 / u of f32.
    let mut terms: Vec<f32> =
        (0..1000).flat_map(|i| [1e8 + 64.0 * i as f32, 1.0, -1e8 - 64.0 * i as f32]).collect();
    let pairs = terms.len();
    terms.rotate_left(pairs / 3);
    let x = Tensor::from_vec(terms, [pairs]).unwrap();
    let total = |mode| sum(&Stream::cpu(), &x, &Sum { mode, axis: 0 }).unwrap().to_vec::<f32>().unwrap()[0];
    assert_eq!(total(Mode::Compensated), 1000.0);
    assert!((total(Mode::Plain) - 1000.0).abs() > 1.0, "{}", total(Mode::Plain));
}

#[test]
fn integers_wrap_around() {
    let x = Tensor::from_vec(vec![i32::MAX, 1, 5], [3]).unwrap();
    for mode in [Mode::Plain, Mode::Compensated] {
        let wrapped = sum(&Stream::cpu(), &x, &Sum { mode, axis: -1 }).unwrap();
        assert_eq!(wrapped.to_vec::<i32>().unwrap(), [i32::MIN + 5]);
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let x = Tensor::zeros(DType::F32, [2, 3]).unwrap();
    let at = |axis| Sum { axis, ..Default::default() };
    for (error, part) in [
        (sum(&cpu, &x, &at(2)).unwrap_err(), "sum: axis is 2, expected -2..2"),
        (sum(&cpu, &x, &at(-3)).unwrap_err(), "sum: axis is -3"),
        (
            sum(&cpu, &Tensor::scalar(1.0f32), &at(-1)).unwrap_err(),
            "sum: x has shape [], expected at least 1 axis",
        ),
        (sum(&cpu, &Tensor::zeros(DType::U8, [3]).unwrap(), &at(0)).unwrap_err(), "sum: x has dtype u8"),
        (Mode::parse("kahan").unwrap_err(), "mode is kahan, expected plain or compensated"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
