use tilewright_core::{DType, Stream, Tensor};

use super::mlstm_step;
use crate::mlstm::{Mlstm, MlstmInputs, MlstmState};

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
        (error(&x, state, &Mlstm { eps: -1.0, ..cell }), "eps is -1"),
        (error(&x, state, &Mlstm { scale: Some(f64::NAN), ..cell }), "scale is NaN"),
        (error(&x, state, &Mlstm { gate_cap: Some(0.0), ..cell }), "gate_cap is 0"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
