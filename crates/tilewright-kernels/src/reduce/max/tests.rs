use tilewright_core::{DType, Stream, Tensor};

use super::{Max, max};

#[test]
fn order_does_not_matter_and_nan_does() {
    let cpu = Stream::cpu();
    let largest =
        |row: &[f32]| max(&cpu, &Tensor::from_slice(row, [row.len()]).unwrap(), &Max::default()).unwrap();
    for n in [1usize, 2, 63, 64, 65, 2000] {
        for shift in [0, 1, n / 2, n - 1] {
            let mut row: Vec<f32> = (0..n).map(|j| j as f32 - 1e4).collect();
            row.rotate_left(shift);
            assert_eq!(largest(&row).to_vec::<f32>().unwrap(), [n as f32 - 1.0 - 1e4]);
            row[shift % n] = f32::NAN;
            assert!(largest(&row).to_vec::<f32>().unwrap()[0].is_nan());
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    for (dims, axis, part) in [
        (&[0][..], 0, "max: x has shape [0], expected at least 1 element along the axis"),
        (&[2, 3], -3, "max: axis is -3, expected -2..2"),
        (&[], -1, "max: x has shape [], expected at least 1 axis"),
    ] {
        let error =
            max(&cpu, &Tensor::zeros(DType::F32, dims).unwrap(), &Max { axis }).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let none = max(&cpu, &Tensor::zeros(DType::F32, [0, 0]).unwrap(), &Max::default()).unwrap();
    assert_eq!(none.dims(), [0]);
}
