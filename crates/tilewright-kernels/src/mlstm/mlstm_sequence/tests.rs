//! Published numbers, and properties that cases cannot say.

use tilewright_core::{Case, DType, Stream, Tensor, Tier};

use super::mlstm_sequence;
use super::reference::{self, Numbers};
use crate::mlstm::stabilisers::{SHIFTS, assert_same, cells, moved, places};
use crate::mlstm::{InputGate, Mlstm, MlstmState, registry, samples};

fn case(sizes: [usize; 5], dtype: DType, data: &'static str) -> Case {
    registry::case(Tier::Edge, sizes, dtype).data(data)
}

fn close(got: &[f64], published: &[f64]) {
    assert_eq!(got.len(), published.len());
    for (got, published) in got.iter().zip(published) {
        assert!((got - published).abs() < 2e-10, "{got} {published}");
    }
}

fn run(tensors: &[Tensor], cell: &Mlstm) -> (Tensor, MlstmState) {
    let (x, state) = registry::inputs("test", tensors).unwrap();
    mlstm_sequence(&Stream::cpu(), &x, state.as_ref(), cell).unwrap()
}

/// C exp(m) or n exp(m) of a single sequence.
fn unstabilised(part: &Tensor, state: &MlstmState) -> Vec<f64> {
    let m = state.m.to_f64_vec().unwrap()[0];
    part.to_f64_vec().unwrap().into_iter().map(|x| x * m.exp()).collect()
}

#[test]
fn the_published_vectors() {
    let cell = Mlstm::default();
    let tensors = samples::inputs(&case([1, 1, 5, 2, 3], DType::F64, "vector")).unwrap();
    let (h, state) = run(&tensors, &cell);
    #[rustfmt::skip]
    close(&h.to_f64_vec().unwrap(), &[
        0.3829044557, 0.9164486623, 0.8940874080,
        0.5957649276, 0.9850471911, 0.7768130466,
        0.7889104731, 0.8336726108, 0.3727401296,
        -0.0071922318, 0.1200298930, 0.1744434954,
        -0.0698915022, -0.0344439992, 0.0218967715,
    ]);
    close(&state.m.to_f64_vec().unwrap(), &[-1.4998848863]);
    close(&unstabilised(&state.n, &state), &[0.0414788797, 0.4610163016]);
    close(
        &unstabilised(&state.c, &state),
        &[0.2215134788, 0.1700789216, 0.0154767728, 0.1420064979, 0.0793663217, -0.0314164003],
    );

    let sigmoid = Mlstm { input_gate: InputGate::Sigmoid, ..cell };
    let (h, _) = run(&tensors, &sigmoid);
    let h = h.to_f64_vec().unwrap();
    close(&h[3..6], &[0.5599271855, 0.9758407537, 0.7998224153]);
    close(&h[12..15], &[0.0107951943, 0.0258005350, 0.0251556174]);
    let (h, _) = run(&tensors, &Mlstm { normalize: false, ..sigmoid });
    close(&h.to_f64_vec().unwrap()[3..6], &[0.6835962707, 1.1913711591, 0.9764762891]);
}

#[test]
fn the_published_vector_with_a_state() {
    let tensors = samples::inputs(&case([1, 1, 5, 2, 3], DType::F64, "vector_state")).unwrap();
    let (h, state) = run(&tensors, &Mlstm::default());
    let h = h.to_f64_vec().unwrap();
    close(&h[..3], &[0.3730795125, 0.0002261941, 0.3771130072]);
    close(&h[6..9], &[0.7366177234, 0.7229628876, 0.4549827458]);
    close(&h[12..], &[-0.6323855957, -0.5250393151, -0.3798804530]);
    close(&state.m.to_f64_vec().unwrap(), &[0.0779434188]);
    close(&unstabilised(&state.n, &state), &[1.7204157824, 2.4096516389]);
    close(
        &unstabilised(&state.c, &state),
        &[1.3546871362, 1.3387642181, 0.7813088745, 1.5649139387, 1.3322408551, 0.9350589451],
    );
}

/// The truth is judged as well, and by numbers that it did not make.
#[test]
fn the_reference_gives_the_published_vector() {
    let tensors = samples::inputs(&case([1, 1, 5, 2, 3], DType::F64, "vector")).unwrap();
    let truth =
        reference::mlstm_sequence(&Numbers::new(&tensors).unwrap(), &Mlstm::default(), 0.0, DType::F64);
    let h: Vec<f64> = truth.h.iter().map(|(h, _)| *h).collect();
    close(&h[9..12], &[-0.0071922318, 0.1200298930, 0.1744434954]);
    assert!(truth.h.iter().all(|(h, error)| *error > h.abs() && *error < 1e4 * (h.abs() + 1.0)));
}

#[test]
fn a_sequence_in_two_calls_is_one_sequence_bit_for_bit() {
    let tensors = samples::inputs(&case([2, 3, 12, 5, 9], DType::F32, "gated")).unwrap();
    let (whole, last) = run(&tensors, &Mlstm::default());
    let part = |range: std::ops::Range<usize>, state: [Tensor; 3]| {
        let cut = |index: usize| tensors[index].slice(2, range.clone()).unwrap();
        let mut part: Vec<Tensor> = (0..5).map(cut).collect();
        part.extend(state);
        part.push(cut(8));
        run(&part, &Mlstm::default())
    };
    let (first, between) = part(0..5, [5, 6, 7].map(|index| tensors[index].clone()));
    let (second, end) = part(5..12, [between.c, between.n, between.m]);
    assert_eq!(whole.slice(2, 0..5).unwrap().to_bytes().unwrap(), first.to_bytes().unwrap());
    assert_eq!(whole.slice(2, 5..12).unwrap().to_bytes().unwrap(), second.to_bytes().unwrap());
    assert_eq!(last.c.to_bytes().unwrap(), end.c.to_bytes().unwrap());
    assert_eq!(last.m.to_bytes().unwrap(), end.m.to_bytes().unwrap());
}

/// What is computed does not know how C is stored: it is that of the same C in f32, and C's last rounding is all there is.
#[test]
fn c_of_bf16_is_widened_and_rounded_once() {
    let converted = |tensor: &Tensor, dtype: DType| {
        Tensor::from_f64(&tensor.to_f64_vec().unwrap(), dtype, tensor.shape()).unwrap()
    };
    // One token goes another way than many; 21 values are no whole vectors.
    for (s, dtype) in [(1, DType::F32), (1, DType::Bf16), (6, DType::F32), (6, DType::F16)] {
        let stored = samples::inputs(&case([2, 2, s, 5, 21], dtype, "gated_bf16_c")).unwrap();
        let mut wide = stored.clone();
        wide[5] = converted(&stored[5], DType::F32);
        let (h, state) = run(&stored, &Mlstm::default());
        let (wide_h, wide_state) = run(&wide, &Mlstm::default());
        assert_eq!(h.to_bytes().unwrap(), wide_h.to_bytes().unwrap());
        assert_eq!((state.c.dtype(), wide_state.c.dtype()), (DType::Bf16, DType::F32));
        let rounded = converted(&wide_state.c, DType::Bf16);
        assert_eq!(state.c.to_bytes().unwrap(), rounded.to_bytes().unwrap());
        assert_eq!(state.n.to_bytes().unwrap(), wide_state.n.to_bytes().unwrap());
        assert_eq!(state.m.to_bytes().unwrap(), wide_state.m.to_bytes().unwrap());
    }
}

#[test]
fn another_stabiliser_of_the_same_state_changes_nothing() {
    for (stream, dtype, tolerance) in places() {
        let tensors = samples::inputs(&case([2, 2, 7, 5, 4], dtype, "state")).unwrap();
        for cell in cells() {
            let run = |by: f64| {
                let tensors = moved(&stream, &tensors, 5, by);
                let (x, state) = registry::inputs("test", &tensors).unwrap();
                mlstm_sequence(&stream, &x, state.as_ref(), &cell).unwrap()
            };
            let as_given = run(0.0);
            for by in SHIFTS {
                assert_same(&run(by), &as_given, tolerance);
            }
        }
    }
}

#[test]
fn sequences_know_nothing_of_each_other() {
    let tensors = samples::inputs(&case([2, 3, 6, 5, 7], DType::F32, "gated")).unwrap();
    let (whole, last) = run(&tensors, &Mlstm::default());
    for (b, nh) in [(0, 2), (1, 0), (1, 1)] {
        let one = |tensor: &Tensor| tensor.slice(0, b..b + 1).unwrap().slice(1, nh..nh + 1).unwrap();
        let (alone, end) = run(&tensors.iter().map(one).collect::<Vec<_>>(), &Mlstm::default());
        assert_eq!(one(&whole).to_bytes().unwrap(), alone.to_bytes().unwrap());
        assert_eq!(one(&last.c).to_bytes().unwrap(), end.c.to_bytes().unwrap());
        assert_eq!(one(&last.n).to_bytes().unwrap(), end.n.to_bytes().unwrap());
    }
}

#[test]
fn gates_far_out_of_range_leave_everything_finite() {
    let tensors = samples::inputs(&case([1, 2, 40, 5, 7], DType::F32, "wide")).unwrap();
    for input_gate in [InputGate::Exponential, InputGate::Sigmoid] {
        let (h, state) = run(&tensors, &Mlstm { input_gate, ..Mlstm::default() });
        for part in [&h, &state.c, &state.n, &state.m] {
            assert!(part.to_f64_vec().unwrap().iter().all(|x| x.is_finite()));
        }
    }
}
