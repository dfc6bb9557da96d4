use tilewright_core::{DType, Stream, Tensor};

use super::{AdamW, adamw};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(DType::F32, shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dp: &Tensor, args: &AdamW| {
        let [mut p, mut m, mut v] = [(); 3].map(|()| zeros(&[3]));
        adamw(&Stream::cpu(), &mut p, dp, &mut m, &mut v, args).unwrap_err().to_string()
    };
    let (good, usual) = (zeros(&[3]), AdamW::default());
    for (error, part) in [
        (error(&zeros(&[4]), &usual), "dp has shape [4], expected [3] as p"),
        (error(&Tensor::zeros(DType::F64, [3]).unwrap(), &usual), "dp has dtype f64, expected f32"),
        (error(&good, &AdamW { lr: f64::NAN, ..usual }), "lr is NaN"),
        (error(&good, &AdamW { beta1: 1.0, ..usual }), "beta1 is 1, expected a number >= 0 and < 1"),
        (error(&good, &AdamW { beta2: -0.1, ..usual }), "beta2 is -0.1"),
        (error(&good, &AdamW { eps: 0.0, ..usual }), "eps is 0"),
        (error(&good, &AdamW { weight_decay: -1.0, ..usual }), "weight_decay is -1"),
        (error(&good, &AdamW { step: 0, ..usual }), "step is 0, expected at least 1"),
        (error(&good, &AdamW { scale: f64::INFINITY, ..usual }), "scale is inf"),
    ] {
        assert!(error.starts_with("adamw: ") && error.contains(part), "{error}");
    }
}

#[test]
fn memory_that_is_shared_is_not_written() {
    let [mut p, mut m, mut v] = [(); 3].map(|()| zeros(&[3]));
    let other = p.clone();
    let error = adamw(&Stream::cpu(), &mut p, &zeros(&[3]), &mut m, &mut v, &AdamW::default()).unwrap_err();
    assert!(error.to_string().contains("p: is written, but its memory is shared"), "{error}");
    drop(other);
    adamw(&Stream::cpu(), &mut p, &zeros(&[3]), &mut m, &mut v, &AdamW::default()).unwrap();
}

/// A bowl's bottom is found.
#[test]
fn it_descends() {
    let target = [3.0f32, -1.0, 0.5];
    let [mut p, mut m, mut v] = [(); 3].map(|()| zeros(&[3]));
    for step in 1..=400 {
        let at = p.to_vec::<f32>().unwrap();
        let slope =
            Tensor::from_vec(at.iter().zip(target).map(|(p, t)| 2.0 * (p - t)).collect(), [3]).unwrap();
        let args = AdamW { lr: 0.05, weight_decay: 0.0, step, ..AdamW::default() };
        adamw(&Stream::cpu(), &mut p, &slope, &mut m, &mut v, &args).unwrap();
    }
    for (p, target) in p.to_vec::<f32>().unwrap().into_iter().zip(target) {
        assert!((p - target).abs() < 0.02, "{p} and {target}");
    }
}
