use tilewright_core::{DType, Stream, Tensor};

use super::{Penalize, penalize};

struct Call {
    penalties: Vec<f32>,
    history: Vec<i32>,
    tokens: Vec<i32>,
    mask: Option<Vec<u32>>,
    window: usize,
}

fn call(call: &Call) -> tilewright_core::Result<Vec<f32>> {
    let logits = Tensor::from_vec(vec![1.0f32, -1.0, 2.0, 0.0], [1, 4])?;
    let row = |of: &[i32]| Tensor::from_slice(of, [1, of.len()]);
    let biases = Tensor::from_vec(vec![0.5f32; call.tokens.len()], [1, call.tokens.len()])?;
    let penalties = Tensor::from_slice(&call.penalties, [1, call.penalties.len()])?;
    let mask = call.mask.as_ref().map(|mask| Tensor::from_slice(mask, [1, mask.len()])).transpose()?;
    let args = Penalize { window: call.window };
    let (history, tokens) = (row(&call.history)?, row(&call.tokens)?);
    penalize(&Stream::cpu(), &logits, &penalties, &history, &tokens, &biases, mask.as_ref(), &args)?.to_vec()
}

fn plain() -> Call {
    Call { penalties: vec![1.0, 0.0, 0.0], history: vec![], tokens: vec![], mask: None, window: 0 }
}

#[test]
fn each_setting_alone() {
    let z = [1.0, -1.0, 2.0, 0.0];
    assert_eq!(call(&plain()).unwrap(), z);
    let history = vec![2, 1, 2, -1];
    let of = |penalties: [f32; 3], window| {
        call(&Call { penalties: penalties.into(), history: history.clone(), window, ..plain() }).unwrap()
    };
    assert_eq!(of([2.0, 0.0, 0.0], 0), [1.0, -2.0, 1.0, 0.0]);
    assert_eq!(of([1.0, 0.5, 0.0], 0), [1.0, -1.5, 1.0, 0.0]);
    assert_eq!(of([1.0, 0.0, 0.5], 0), [1.0, -1.5, 1.5, 0.0]);
    assert_eq!(of([1.0, 0.5, 0.0], 2), [1.0, -1.0, 1.5, 0.0]);
    assert_eq!(call(&Call { tokens: vec![3, -1], ..plain() }).unwrap(), [1.0, -1.0, 2.0, 0.5]);
    let banned = f32::NEG_INFINITY;
    assert_eq!(call(&Call { mask: Some(vec![0b1101]), ..plain() }).unwrap(), [1.0, banned, 2.0, 0.0]);
}

#[test]
fn wrong_arguments_are_named() {
    let error = |wrong: Call| call(&wrong).unwrap_err().to_string();
    for (wrong, part) in [
        (Call { penalties: vec![0.0; 3], ..plain() }, "penalties is 0, expected repetition above 0"),
        (Call { penalties: vec![f32::NAN, 0.0, 0.0], ..plain() }, "penalties is NaN"),
        (Call { penalties: vec![1.0], ..plain() }, "penalties has shape [1, 1], expected [1, 3]"),
        (Call { history: vec![4], ..plain() }, "history is 4, expected below 4"),
        (Call { tokens: vec![1, 1], ..plain() }, "bias_tokens is 1 twice"),
        (Call { mask: Some(vec![0, 0]), ..plain() }, "mask has shape [1, 2], expected [1, 1]"),
    ] {
        let error = error(wrong);
        assert!(error.contains(part), "{error}");
    }
    let wide = Tensor::zeros(DType::F64, [1, 4]).unwrap();
    let none = Tensor::zeros(DType::I32, [1, 0]).unwrap();
    let result = penalize(&Stream::cpu(), &wide, &wide, &none, &none, &wide, None, &Penalize::default());
    assert!(result.unwrap_err().to_string().contains("logits has dtype f64"));
}
