//! Properties that cases cannot say.

use tilewright_core::{DType, Device, Stream, Tensor};

use super::{SubspaceStep, subspace_step};

fn numbers(shape: [usize; 2]) -> Tensor {
    let element = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    Tensor::from_vec((0..shape[0] * shape[1]).map(element).collect::<Vec<_>>(), shape).unwrap()
}

/// However many streams, whatever their order: the same bits as the same bands on one stream, and as each band alone.
#[test]
fn streams_never_change_a_bit() {
    let mut devices = vec![Device::Cpu];
    devices.extend(
        [Device::Emulated, Device::Cuda(0), Device::Metal(0)]
            .into_iter()
            .filter(|&device| tilewright_gpu::caps(device).is_ok()),
    );
    for device in devices {
        let stream = tilewright_gpu::stream(device).unwrap();
        let (a, v) = (numbers([23, 14]).to(&stream).unwrap(), numbers([14, 9]).to(&stream).unwrap());
        let run = |v: &Tensor, band, streams| {
            let out = subspace_step(&stream, &a, v, &SubspaceStep { band, streams }).unwrap();
            stream.synchronize().unwrap();
            out
        };
        let whole = run(&v, 4, 1);
        for streams in [2, 3, 8] {
            assert_eq!(
                run(&v, 4, streams).to_bytes().unwrap(),
                whole.to_bytes().unwrap(),
                "{device} {streams}"
            );
        }
        for start in [0, 4, 8] {
            let columns = start..9.min(start + 4);
            let alone = run(&v.slice(1, columns.clone()).unwrap(), 0, 1).to_bytes().unwrap();
            assert_eq!(whole.slice(1, columns).unwrap().to_bytes().unwrap(), alone, "{device} {start}");
        }
    }
}

/// On whole numbers every order of a sum gives the same: bands of any width are the step without bands, exactly.
#[test]
fn bands_are_the_whole() {
    let whole_numbers = |shape| {
        let rounded = numbers(shape).to_vec::<f32>().unwrap().into_iter().map(|x| (8.0 * x).round());
        Tensor::from_vec(rounded.collect::<Vec<f32>>(), shape).unwrap()
    };
    let (a, v) = (whole_numbers([57, 40]), whole_numbers([40, 31]));
    let run = |band, streams| subspace_step(&Stream::cpu(), &a, &v, &SubspaceStep { band, streams }).unwrap();
    let whole = run(0, 1).to_bytes().unwrap();
    for band in [1, 2, 7, 8, 16, 30, 31, 32] {
        assert_eq!(run(band, 3).to_bytes().unwrap(), whole, "{band}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let (a, v) = (numbers([5, 4]), numbers([4, 2]));
    let error = |a: &Tensor, v: &Tensor, streams| {
        subspace_step(&Stream::cpu(), a, v, &SubspaceStep { band: 1, streams }).unwrap_err().to_string()
    };
    for (error, part) in [
        (error(&a, &numbers([5, 2]), 1), "v has shape [5, 2], expected [4, k]"),
        (error(&a, &Tensor::zeros(DType::F16, [4, 2]).unwrap(), 1), "v has dtype f16, expected f32"),
        (error(&Tensor::zeros(DType::I32, [5, 4]).unwrap(), &v, 1), "a has dtype i32"),
        (error(&Tensor::zeros(DType::F32, [5]).unwrap(), &v, 1), "a has shape [5], expected [.., m, n]"),
        (error(&a, &v, 0), "streams is 0"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
