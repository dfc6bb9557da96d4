//! The forward parts, composed, are the whole form; and what is wrong with states is said.

use tilewright_core::{Case, DType, Error, Stream, Tensor, Tier};

use crate::mlstm::stabilisers::{self, kinds};
use crate::mlstm::{
    MlstmChunkwise, MlstmOutputs, MlstmParts, MlstmStates, mlstm_chunkwise, mlstm_outputs, mlstm_states,
    registry, samples,
};

fn tensors(sizes: [usize; 5], dtype: DType, data: &'static str) -> Vec<Tensor> {
    let case: Case = registry::case(Tier::Edge, sizes, dtype).data(data);
    samples::inputs(&case).unwrap()
}

fn run(tensors: &[Tensor], args: &MlstmParts) -> (MlstmStates, MlstmOutputs) {
    let (x, state) = registry::inputs("test", tensors).unwrap();
    let stream = Stream::cpu();
    let states = mlstm_states(&stream, x.k, x.v, x.i, x.f, state.as_ref(), args).unwrap();
    let read = mlstm_outputs(&stream, &x, &states, args).unwrap();
    (states, read)
}

fn assert_close(got: &Tensor, wanted: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), wanted.dims());
    stabilisers::assert_close(&got.to_f64_vec().unwrap(), &wanted.to_f64_vec().unwrap(), tolerance);
}

#[test]
fn states_and_outputs_are_the_chunkwise_form() {
    for (dtype, data, tolerance) in [
        (DType::F64, "gated", 1e-12),
        (DType::F64, "", 1e-12),
        (DType::F32, "state", 2e-5),
        (DType::Bf16, "gated", 1e-2),
    ] {
        let tensors = tensors([2, 2, 101, 7, 19], dtype, data);
        let (x, state) = registry::inputs("test", &tensors).unwrap();
        for cell in kinds() {
            let whole = MlstmChunkwise { cell, chunk: Some(16), tile: None };
            let (h, last) = mlstm_chunkwise(&Stream::cpu(), &x, state.as_ref(), &whole).unwrap();
            for (chunk, every) in
                [(1, 1), (4, 1), (16, 1), (16, 2), (16, 3), (5, 7), (64, 1), (101, 1), (500, 3)]
            {
                let args = MlstmParts { cell, chunk, every };
                let (states, read) = run(&tensors, &args);
                let e = args.boundaries(101);
                assert_eq!(states.m.dims(), [2, 2, e]);
                assert_close(&read.h, &h, tolerance);
                let (own, meant) = (states.m.select(2, e - 1).unwrap(), states.c.select(2, e - 1).unwrap());
                assert_close(&own, &last.m, tolerance);
                assert_close(&meant, &last.c, tolerance);
                assert_close(&states.n.select(2, e - 1).unwrap(), &last.n, tolerance);
            }
        }
    }
}

#[test]
fn every_n_th_state_is_one_of_all() {
    let tensors = tensors([1, 2, 50, 5, 9], DType::F64, "state");
    let one = MlstmParts { chunk: 4, ..MlstmParts::default() };
    let (all, _) = run(&tensors, &one);
    let (third, _) = run(&tensors, &MlstmParts { every: 3, ..one });
    assert_eq!((all.c.dims()[2], third.c.dims()[2]), (14, 6));
    for (entry, of_all) in [0, 3, 6, 9, 12, 13].into_iter().enumerate() {
        for (third, all) in [(&third.c, &all.c), (&third.n, &all.n), (&third.m, &all.m)] {
            assert_close(&third.select(2, entry).unwrap(), &all.select(2, of_all).unwrap(), 1e-13);
        }
    }
}

#[test]
fn denominators_and_stabilisers_give_back_what_was_read() {
    // Values of 1 make the numerator the sum of weights: without a state, h (N + eps) is z.
    let mut tensors = tensors([1, 2, 30, 4, 1], DType::F64, "");
    tensors[2] = Tensor::from_f64(&[1.0; 60], DType::F64, [1, 2, 30, 1]).unwrap();
    let args = MlstmParts { chunk: 8, ..MlstmParts::default() };
    let (_, read) = run(&tensors, &args);
    let [h, n, m] = [&read.h, &read.denominators, &read.stabilisers].map(|part| part.to_f64_vec().unwrap());
    for ((h, n), m) in h.iter().zip(&n).zip(&m) {
        let z = (h * (n + args.cell.eps)).abs();
        let wanted = z.max((-m).exp());
        assert!((n - wanted).abs() < 1e-12 * wanted, "{n} {wanted}");
    }
}

#[test]
fn a_sequence_without_tokens_has_its_first_state() {
    let tensors = tensors([1, 2, 0, 3, 4], DType::F32, "state");
    let (states, read) = run(&tensors, &MlstmParts::default());
    assert_eq!((states.c.dims(), read.h.dims()), (&[1, 2, 1, 3, 4][..], &[1, 2, 0, 4][..]));
    assert_eq!(states.c.to_bytes().unwrap(), tensors[5].to_bytes().unwrap());
    assert_eq!(states.m.to_bytes().unwrap(), tensors[7].to_bytes().unwrap());
}

#[test]
fn wrong_states_are_named() {
    let tensors = tensors([1, 2, 9, 3, 4], DType::F32, "state");
    let (x, state) = registry::inputs("test", &tensors).unwrap();
    let (stream, args) = (Stream::cpu(), MlstmParts { chunk: 4, ..MlstmParts::default() });
    let (states, _) = run(&tensors, &args);
    let read =
        |states: &MlstmStates, args: &MlstmParts| mlstm_outputs(&stream, &x, states, args).unwrap_err();
    let made = |k: &Tensor, args: &MlstmParts| {
        mlstm_states(&stream, k, x.v, x.i, x.f, state.as_ref(), args).unwrap_err()
    };
    let fewer = MlstmParts { every: 2, ..args };
    let errors: [(Error, &str); 6] = [
        (read(&states, &fewer), "c_states has shape [1, 2, 4, 3, 4], expected [1, 2, 3, 3, 4]"),
        (
            read(&MlstmStates { m: states.n.clone(), ..states.clone() }, &args),
            "m_states has shape [1, 2, 4, 3]",
        ),
        (read(&states, &MlstmParts { chunk: 0, ..args }), "chunk is 0, expected at least 1"),
        (made(x.k, &MlstmParts { every: 0, ..args }), "every is 0, expected at least 1"),
        (made(x.i, &args), "k has shape [1, 2, 9], expected [b, nh, s, dqk]"),
        (made(&Tensor::zeros(DType::I32, [1, 2, 9, 3]).unwrap(), &args), "k has dtype i32"),
    ];
    for (error, part) in errors {
        assert!(error.to_string().contains(part), "{error}");
    }
}
