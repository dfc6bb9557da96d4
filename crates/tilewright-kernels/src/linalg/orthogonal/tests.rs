//! Properties that cases cannot say.

use tilewright_core::{DType, Device, Stream};

use super::{Orthogonal, orthogonal};

/// Of Haar's measure a trace has variance 1 and fourth moment 3, whatever the size; without the signs of r it has not.
#[test]
fn no_direction_is_preferred() {
    let (count, n) = (4000, 6);
    let args = Orthogonal { seed: 3, ..Orthogonal::default() };
    let q = orthogonal(&Stream::cpu(), DType::F64, &[count, n, n], &args).unwrap().to_vec::<f64>().unwrap();
    let trace = |item: usize| (0..n).map(|i| q[(item * n + i) * n + i]).sum::<f64>();
    let moment = |power| (0..count).map(|item| trace(item).powi(power)).sum::<f64>() / count as f64;
    let root = (count as f64).sqrt();
    assert!(moment(1).abs() < 5.0 / root, "{}", moment(1));
    assert!((moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / root, "{}", moment(2));
    assert!((moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / root, "{}", moment(4));
}

#[test]
fn a_seed_names_a_matrix() {
    let run = |seed| {
        let args = Orthogonal { seed, ..Orthogonal::default() };
        orthogonal(&Stream::cpu(), DType::F32, &[5, 3], &args).unwrap().to_bytes().unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_seed_names_the_same_matrix_on_every_device() {
    let run = |stream: &Stream| {
        let out = orthogonal(stream, DType::F32, &[3, 5, 3], &Orthogonal { gain: 1.0, seed: 11 }).unwrap();
        out.to_vec::<f32>().unwrap()
    };
    let here = run(&Stream::cpu());
    for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
        let Ok(stream) = tilewright_gpu::stream(device) else { continue };
        assert!(run(&stream).iter().zip(&here).all(|(x, y)| (x - y).abs() < 1e-4), "{device}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let error = |dtype, shape: &[usize], gain| {
        let args = Orthogonal { gain, seed: 0 };
        orthogonal(&Stream::cpu(), dtype, shape, &args).unwrap_err().to_string()
    };
    assert!(error(DType::F32, &[4], 1.0).contains("shape has shape [4], expected [.., m, n]"));
    assert!(error(DType::I32, &[4, 4], 1.0).contains("dtype has dtype i32"));
    assert!(error(DType::F32, &[4, 4], f64::NAN).contains("gain is NaN"));
}
