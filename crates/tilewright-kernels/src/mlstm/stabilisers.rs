//! For the tests of several kernels: states that mean the same by another stabiliser.

use tilewright_core::{DType, Device, Stream, Tensor};

use super::{InputGate, Mlstm, MlstmState};

/// What m is moved by.
pub(super) const SHIFTS: [f64; 4] = [-20.0, -3.0, 3.0, 20.0];

/// Cells whose h no stabiliser reaches: through eps one would.
pub(super) fn cells() -> [Mlstm; 2] {
    [Mlstm { eps: 0.0, ..Mlstm::default() }, Mlstm { normalize: false, ..Mlstm::default() }]
}

/// Cells of each kind.
pub(super) fn kinds() -> [Mlstm; 4] {
    [
        Mlstm::default(),
        Mlstm { normalize: false, ..Mlstm::default() },
        Mlstm { input_gate: InputGate::Sigmoid, ..Mlstm::default() },
        Mlstm { gate_cap: Some(3.0), scale: Some(0.4), ..Mlstm::default() },
    ]
}

/// Where the property is looked at: the CPU in both types of sums, and each device that is there; with a bound on what rounding may change, as a part of the
/// largest element. In f32 an exponent that is a sum of numbers near 20 is off by some 1e-6, and each token has one.
pub(super) fn places() -> Vec<(Stream, DType, f64)> {
    let mut places = vec![(Stream::cpu(), DType::F64, 1e-12), (Stream::cpu(), DType::F32, 2e-4)];
    let devices = [Device::Emulated, Device::Cuda(0), Device::Metal(0)];
    let streams = devices.into_iter().filter_map(|device| tilewright_gpu::stream(device).ok());
    places.extend(streams.map(|stream| (stream, DType::F32, 2e-4)));
    places
}

/// The inputs on a stream, with `(C exp(-by), n exp(-by), m + by)` in the place of their state, whose C is the tensor `c`.
pub(super) fn moved(stream: &Stream, tensors: &[Tensor], c: usize, by: f64) -> Vec<Tensor> {
    let map = |tensor: &Tensor, change: &dyn Fn(f64) -> f64| {
        let values: Vec<f64> = tensor.to_f64_vec().unwrap().into_iter().map(change).collect();
        Tensor::from_f64(&values, tensor.dtype(), tensor.shape()).unwrap().to(stream).unwrap()
    };
    let all = tensors.iter().enumerate();
    all.map(|(index, tensor)| match index {
        _ if index == c || index == c + 1 => map(tensor, &|x| x * (-by).exp()),
        _ if index == c + 2 => map(tensor, &|m| m + by),
        _ => map(tensor, &|x| x),
    })
    .collect()
}

/// C exp(m) and n exp(m), and m.
pub(super) fn meant(state: &MlstmState) -> [Vec<f64>; 3] {
    let m = state.m.to_f64_vec().unwrap();
    let times = |part: &Tensor| {
        let part = part.to_f64_vec().unwrap();
        let each = part.len() / m.len();
        part.iter().enumerate().map(|(at, x)| x * m[at / each].exp()).collect()
    };
    [times(&state.c), times(&state.n), m.clone()]
}

/// Equal up to a part of the largest element, or of 1 where all are smaller.
pub(super) fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    let size = b.iter().fold(1.0f64, |size, b| size.max(b.abs()));
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * size, "{a} {b}");
    }
}

/// The same h and the same state that is meant.
pub(super) fn assert_same(a: &(Tensor, MlstmState), b: &(Tensor, MlstmState), tolerance: f64) {
    assert_close(&a.0.to_f64_vec().unwrap(), &b.0.to_f64_vec().unwrap(), tolerance);
    for (a, b) in meant(&a.1).iter().zip(&meant(&b.1)).take(2) {
        assert_close(a, b, tolerance);
    }
}
