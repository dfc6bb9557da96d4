//! The parts of the gradient, composed, are the whole gradient.

use tilewright_core::{Case, DType, Stream, Tensor, Tier};

use crate::mlstm::stabilisers::{self, kinds};
use crate::mlstm::{
    MlstmBackward, MlstmChunkwiseBw, MlstmGateInputs, MlstmGradients, MlstmInputs, MlstmLoss, MlstmParts,
    MlstmPartsBw, MlstmState, mlstm_bw_gates, mlstm_bw_k, mlstm_bw_q, mlstm_bw_states, mlstm_bw_v,
    mlstm_chunkwise_bw, mlstm_states, registry, samples,
};

/// A sequence with what follows it.
struct Given(Vec<Tensor>);

impl Given {
    fn new(sizes: [usize; 5], dtype: DType, data: &'static str) -> Self {
        let case: Case = registry::case(Tier::Edge, sizes, dtype).data(data);
        Given(samples::with_loss(&case).unwrap())
    }

    fn x(&self) -> MlstmInputs<'_> {
        let [q, k, v, i, f] = [0, 1, 2, 3, 4].map(|index| &self.0[index]);
        MlstmInputs { q, k, v, i, f, o: None }
    }

    fn state(&self) -> Option<MlstmState> {
        let one = |index: usize| self.0[index].clone();
        (self.0.len() > 6).then(|| MlstmState { c: one(6), n: one(7), m: one(8) })
    }

    fn loss(&self) -> MlstmLoss<'_> {
        MlstmLoss { h: &self.0[5], c: self.0.get(9), n: self.0.get(10) }
    }

    fn by_parts(&self, args: &MlstmPartsBw) -> MlstmGradients {
        let (stream, x, dh) = (Stream::cpu(), self.x(), &self.0[5]);
        let states = mlstm_states(&stream, x.k, x.v, x.i, x.f, self.state().as_ref(), &args.parts).unwrap();
        let by_states = mlstm_bw_states(&stream, &x, &states, &self.loss(), args).unwrap();
        let wide = MlstmPartsBw { wide: true, ..*args };
        let dq = mlstm_bw_q(&stream, &x, &states, dh, &wide).unwrap();
        let dk = mlstm_bw_k(&stream, &x, &states, &by_states, dh, &wide).unwrap();
        let gates = MlstmGateInputs { q: x.q, k: x.k, i: x.i, f: x.f, dq: &dq, dk: &dk };
        let by_gates = mlstm_bw_gates(&stream, &gates, &states, &by_states, &args.parts).unwrap();
        let first = |of: &Tensor| of.select(2, 0).unwrap();
        MlstmGradients {
            q: mlstm_bw_q(&stream, &x, &states, dh, args).unwrap(),
            k: mlstm_bw_k(&stream, &x, &states, &by_states, dh, args).unwrap(),
            v: mlstm_bw_v(&stream, &x, &states, &by_states, dh, args).unwrap(),
            i: by_gates.i,
            f: by_gates.f,
            o: None,
            state: MlstmState { c: first(&by_states.c), n: first(&by_states.n), m: by_gates.m },
        }
    }
}

fn assert_close(got: &MlstmGradients, wanted: &MlstmGradients, tolerance: f64) {
    let all = |by: &MlstmGradients| {
        [&by.q, &by.k, &by.v, &by.i, &by.f, &by.state.c, &by.state.n, &by.state.m]
            .map(|part| (part.dtype(), part.dims().to_vec(), part.to_f64_vec().unwrap()))
    };
    for ((dtype, dims, got), (wanted_dtype, wanted_dims, wanted)) in all(got).into_iter().zip(all(wanted)) {
        assert_eq!((dtype, dims), (wanted_dtype, wanted_dims));
        stabilisers::assert_close(&got, &wanted, tolerance);
    }
}

#[test]
fn the_parts_are_the_gradients_of_the_chunkwise_form() {
    for (dtype, data, tolerance) in [
        (DType::F64, "state", 1e-11),
        (DType::F64, "", 1e-11),
        (DType::F32, "state", 2e-4),
        (DType::Bf16, "state", 1e-2),
    ] {
        let given = Given::new([2, 2, 101, 7, 19], dtype, data);
        for cell in kinds() {
            for mode in [MlstmBackward::Exact, MlstmBackward::NormInvariant] {
                let args = MlstmChunkwiseBw { cell, chunk: Some(16), mode, tile: None };
                let state = given.state();
                let (x, loss) = (given.x(), given.loss());
                let whole = mlstm_chunkwise_bw(&Stream::cpu(), &x, state.as_ref(), &loss, &args).unwrap();
                for (chunk, every) in [(1, 1), (16, 1), (16, 2), (16, 3), (64, 1), (101, 1), (40, 40)] {
                    let parts = MlstmParts { cell, chunk, every };
                    assert_close(
                        &given.by_parts(&MlstmPartsBw { parts, mode, wide: false }),
                        &whole,
                        tolerance,
                    );
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let given = Given::new([1, 2, 9, 3, 4], DType::F32, "state");
    let (stream, x, dh) = (Stream::cpu(), given.x(), &given.0[5]);
    let parts = MlstmParts { chunk: 4, ..MlstmParts::default() };
    let args = MlstmPartsBw { parts, ..MlstmPartsBw::default() };
    let states = mlstm_states(&stream, x.k, x.v, x.i, x.f, given.state().as_ref(), &parts).unwrap();
    let by_states = mlstm_bw_states(&stream, &x, &states, &given.loss(), &args).unwrap();
    let half = mlstm_bw_q(&Stream::cpu(), &x, &states, dh, &args).unwrap();
    let gates = MlstmGateInputs { q: x.q, k: x.k, i: x.i, f: x.f, dq: &half, dk: x.v };
    let gated = MlstmInputs { o: Some(dh), ..x };
    let loss = MlstmLoss { c: Some(&states.c), ..given.loss() };
    for (error, part) in [
        (
            mlstm_bw_q(&stream, &gated, &states, dh, &args).unwrap_err(),
            "mlstm_bw_q: o is given, expected left out",
        ),
        (mlstm_bw_v(&stream, &x, &states, &by_states, x.q, &args).unwrap_err(), "dh has shape [1, 2, 9, 3]"),
        (
            mlstm_bw_states(&stream, &x, &states, &loss, &args).unwrap_err(),
            "dc_last has shape [1, 2, 4, 3, 4]",
        ),
        (
            mlstm_bw_gates(&stream, &gates, &states, &by_states, &parts).unwrap_err(),
            "dk has shape [1, 2, 9, 4]",
        ),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
