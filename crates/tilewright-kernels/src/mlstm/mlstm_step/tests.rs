use tilewright_core::{Case, DType, Device, Stream, Tensor, Tier};

use super::{mlstm_step, mlstm_step_in_place, mlstm_step_into};
use crate::mlstm::stabilisers::{SHIFTS, assert_close, assert_same, cells, moved, places};
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState, registry, samples};

fn zeros(dtype: DType, shape: &[usize]) -> Tensor {
    Tensor::zeros(dtype, shape).unwrap()
}

#[test]
fn wrong_arguments_are_named() {
    let good = (
        zeros(DType::F32, &[2, 3, 4]),
        zeros(DType::F32, &[2, 3, 5]),
        zeros(DType::F32, &[2, 3]),
        MlstmState {
            c: zeros(DType::F32, &[2, 3, 4, 5]),
            n: zeros(DType::F32, &[2, 3, 4]),
            m: zeros(DType::F32, &[2, 3]),
        },
    );
    let (q, v, gate, state) = &good;
    let x = MlstmInputs { q, k: q, v, i: gate, f: gate, o: None };
    let error = |x: &MlstmInputs<'_>, state: &MlstmState, cell: &Mlstm| {
        mlstm_step(&Stream::cpu(), x, state, cell).unwrap_err().to_string()
    };
    let cell = Mlstm::default();
    let (long, half) = (zeros(DType::F32, &[2, 3, 6]), zeros(DType::F16, &[2, 3]));
    for (error, part) in [
        (
            error(&MlstmInputs { q: gate, ..x }, state, &cell),
            "mlstm_step: q has shape [2, 3], expected [b, nh, dqk]",
        ),
        (error(&MlstmInputs { k: v, ..x }, state, &cell), "k has shape [2, 3, 1, 5], expected [2, 3, 1, 4]"),
        (
            error(&MlstmInputs { v: &long, ..x }, state, &cell),
            "c has shape [2, 3, 4, 5], expected [2, 3, 4, 6]",
        ),
        (error(&MlstmInputs { i: &half, ..x }, state, &cell), "i has dtype f16, expected f32"),
        (error(&x, &MlstmState { m: zeros(DType::F64, &[2, 3]), ..state.clone() }, &cell), "m has dtype f64"),
        (
            error(&x, &MlstmState { m: zeros(DType::Bf16, &[2, 3]), ..state.clone() }, &cell),
            "m has dtype bf16",
        ),
        (
            error(&x, &MlstmState { c: zeros(DType::F16, &[2, 3, 4, 5]), ..state.clone() }, &cell),
            "c has dtype f16, expected f32, bf16",
        ),
        (error(&x, state, &Mlstm { eps: -1.0, ..cell }), "eps is -1"),
        (error(&x, state, &Mlstm { scale: Some(f64::NAN), ..cell }), "scale is NaN"),
        (error(&x, state, &Mlstm { gate_cap: Some(0.0), ..cell }), "gate_cap is 0"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn c_beside_f64_is_f64() {
    let zeros = |shape: &[usize]| zeros(DType::F64, shape);
    let (q, v, gate) = (zeros(&[2, 3, 4]), zeros(&[2, 3, 5]), zeros(&[2, 3]));
    let x = MlstmInputs { q: &q, k: &q, v: &v, i: &gate, f: &gate, o: None };
    let c = Tensor::zeros(DType::Bf16, [2, 3, 4, 5]).unwrap();
    let state = MlstmState { c, n: zeros(&[2, 3, 4]), m: zeros(&[2, 3]) };
    let error = mlstm_step(&Stream::cpu(), &x, &state, &Mlstm::default()).unwrap_err().to_string();
    assert!(error.contains("c has dtype bf16, expected f64"), "{error}");
}

/// Three tokens of a sequence, whose state is also on the stream.
fn in_place_is_the_functional_step_bit_for_bit(stream: &Stream, data: &'static str) {
    let case = Case::new(Tier::Edge, &[("b", 2), ("nh", 1), ("dqk", 5), ("dv", 36)], DType::F32).data(data);
    let tensors = samples::inputs(&registry::sequence_of(&case)).unwrap();
    // Copies, on the CPU too.
    let on = |index: usize| {
        let values = tensors[index].to_f64_vec().unwrap();
        Tensor::from_f64(&values, tensors[index].dtype(), tensors[index].shape()).unwrap().to(stream).unwrap()
    };
    let [q, k, v, i, f] = [0, 1, 2, 3, 4].map(|index| on(index).select(2, 0).unwrap());
    let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
    let mut kept = MlstmState { c: on(5), n: on(6), m: on(7) };
    let mut given = MlstmState { c: on(5), n: on(6), m: on(7) };
    let (mut turns, mut spare) = (MlstmState { c: on(5), n: on(6), m: on(7) }, (on(6), on(7)));
    let cell = Mlstm::default();
    for _ in 0..3 {
        let (h, next) = mlstm_step(stream, &x, &kept, &cell).unwrap();
        let in_place = mlstm_step_in_place(stream, &x, &mut given, &cell).unwrap();
        assert_eq!(in_place.to_bytes().unwrap(), h.to_bytes().unwrap());
        let (n, m) = &mut spare;
        let into = mlstm_step_into(stream, &x, &mut turns, [n, m], &cell).unwrap();
        assert_eq!(into.to_bytes().unwrap(), h.to_bytes().unwrap());
        std::mem::swap(&mut turns.n, &mut spare.0);
        std::mem::swap(&mut turns.m, &mut spare.1);
        kept = next;
    }
    assert_eq!(kept.c.dtype(), registry::stored_c(&case));
    for state in [&given, &turns] {
        for (given, kept) in [(&state.c, &kept.c), (&state.n, &kept.n), (&state.m, &kept.m)] {
            assert_eq!(given.to_bytes().unwrap(), kept.to_bytes().unwrap());
        }
    }
    let (n, m) = &mut spare;
    let error = mlstm_step_into(stream, &x, &mut turns, [m, n], &cell).unwrap_err().to_string();
    assert!(error.contains("next n has shape [2, 1], expected [2, 1, 5]"), "{error}");
    let shared = given.c.clone();
    let error = mlstm_step_in_place(stream, &x, &mut given, &cell).unwrap_err().to_string();
    assert!(error.contains("mlstm_step: c: is written"), "{error}");
    assert_eq!(shared.to_bytes().unwrap(), kept.c.to_bytes().unwrap());
}

#[test]
fn in_place_is_the_functional_step() {
    for data in ["state", "state_bf16_c"] {
        in_place_is_the_functional_step_bit_for_bit(&Stream::cpu(), data);
        for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
            if let Ok(stream) = tilewright_gpu::stream(device) {
                in_place_is_the_functional_step_bit_for_bit(&stream, data);
            }
        }
    }
}

/// A step from a state of the tensors of a sequence of one token, m moved.
fn step_from(stream: &Stream, tensors: &[Tensor], by: f64, cell: &Mlstm) -> (Tensor, MlstmState) {
    let tensors = moved(stream, tensors, 5, by);
    let [q, k, v, i, f] = [0, 1, 2, 3, 4].map(|index| tensors[index].select(2, 0).unwrap());
    let x = MlstmInputs { q: &q, k: &k, v: &v, i: &i, f: &f, o: None };
    let [c, n, m] = [5, 6, 7].map(|index| tensors[index].clone());
    mlstm_step(stream, &x, &MlstmState { c, n, m }, cell).unwrap()
}

fn token(dtype: DType) -> Vec<Tensor> {
    let case = Case::new(Tier::Edge, &[("b", 2), ("nh", 2), ("dqk", 5), ("dv", 12)], dtype).data("state");
    samples::inputs(&registry::sequence_of(&case)).unwrap()
}

#[test]
fn another_stabiliser_of_the_same_state_changes_nothing() {
    for (stream, dtype, tolerance) in places() {
        let tensors = token(dtype);
        for cell in cells() {
            let as_given = step_from(&stream, &tensors, 0.0, &cell);
            for by in SHIFTS {
                assert_same(&step_from(&stream, &tensors, by, &cell), &as_given, tolerance);
            }
        }
    }
}

/// `h = q C exp(m) / (max(|q . n exp(m)|, 1) + eps exp(m))`: what eps takes of h grows with exp(m), and nothing else does.
#[test]
fn eps_alone_knows_the_stabiliser() {
    let tensors = token(DType::F64);
    let taken = |by: f64| -> Vec<f64> {
        let run = |eps: f64| step_from(&Stream::cpu(), &tensors, by, &Mlstm { eps, ..Mlstm::default() });
        let ((free, _), (h, next)) = (run(0.0), run(0.1));
        let (free, h) = (free.to_f64_vec().unwrap(), h.to_f64_vec().unwrap());
        let m = next.m.to_f64_vec().unwrap();
        let each = h.len() / m.len();
        free.iter()
            .zip(&h)
            .enumerate()
            .map(|(at, (free, h))| (free / h - 1.0) * (-m[at / each]).exp())
            .collect()
    };
    let as_given = taken(0.0);
    assert!(as_given.iter().all(|taken| (1e-3..=0.1 + 1e-9).contains(taken)), "{as_given:?}");
    for by in [-3.0, 3.0, 20.0] {
        assert_close(&taken(by), &as_given, 1e-9);
    }
}
