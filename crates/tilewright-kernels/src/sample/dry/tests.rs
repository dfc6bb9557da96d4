use tilewright_core::{DType, Stream, Tensor};

use super::dry;

fn penalties(v: usize, history: &[i32], settings: [f32; 4], breakers: &[[i32; 2]]) -> Vec<f32> {
    let mut logits = Tensor::zeros(DType::F32, [1, v]).unwrap();
    let history = Tensor::from_slice(history, [1, history.len()]).unwrap();
    let settings = Tensor::from_slice(&settings, [1, 4]).unwrap();
    let breakers = Tensor::from_vec(breakers.concat(), [breakers.len(), 2]).unwrap();
    dry(&Stream::cpu(), &mut logits, &history, &settings, &breakers).unwrap();
    logits.to_vec::<f32>().unwrap().into_iter().map(|z| 0.0 - z).collect()
}

#[test]
fn the_examples_of_llama_cpp() {
    // Its own test of the sampler: nothing repeats; 0 1 repeats before 2; a breaker is next; twice the multiplier; shorter than allowed.
    assert_eq!(penalties(4, &[0, 1], [1.0, 1.1, 2.0, 4.0], &[]), [0.0; 4]);
    assert_eq!(penalties(4, &[0, 1, 2, 0, 1], [1.0, 1.1, 2.0, 5.0], &[]), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(penalties(5, &[0, 1, 3, 4, 0, 1], [1.0, 1.1, 2.0, 6.0], &[[3, -1]]), [0.0; 5]);
    assert_eq!(penalties(5, &[0, 1, 2, 0, 1], [2.0, 1.1, 2.0, 5.0], &[]), [0.0, 0.0, 2.0, 0.0, 0.0]);
    assert_eq!(penalties(5, &[0, 1, 2, 3, 4, 0, 1], [1.0, 1.1, 4.0, 7.0], &[]), [0.0; 5]);
}

#[test]
fn breakers_windows_and_powers() {
    let text = [7, 5, 6, 1, 2, 3, 7, 5, 6, 1, 2];
    // The last five tokens stand also six places before, and 3 follows there.
    let long = [1.0, 2.0, 1.0, 0.0];
    assert_eq!(penalties(8, &text, long, &[])[3], 16.0);
    // A repetition starts after the breaker: it is 6 1 2, then 1 2.
    assert_eq!(penalties(8, &text, long, &[[5, -1]])[3], 4.0);
    assert_eq!(penalties(8, &text, long, &[[5, 6]])[3], 2.0);
    // The longest breaker at a place counts.
    assert_eq!(penalties(8, &text, long, &[[5, -1], [5, 6]])[3], 2.0);
    // Another pair than stands there is none.
    assert_eq!(penalties(8, &text, long, &[[5, 7]])[3], 16.0);
    assert_eq!(penalties(8, &text, [1.0, 2.0, 1.0, 6.0], &[])[3], 0.0);
    assert_eq!(penalties(8, &text, [1.0, 2.0, 1.0, 8.0], &[])[3], 2.0);
    // The power ends before it overflows.
    let same = [0; 300];
    assert_eq!(penalties(2, &same, [1.0, 2.0, 1.0, 0.0], &[])[0], 2f32.powi(127));
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let error = |history: &[i32], settings: &[f32], width: usize| {
        let mut logits = Tensor::zeros(DType::F32, [1, 4]).unwrap();
        let history = Tensor::from_slice(history, [1, history.len()]).unwrap();
        let settings = Tensor::from_slice(settings, [1, settings.len()]).unwrap();
        let breakers = Tensor::zeros(DType::I32, [1, width]).unwrap();
        dry(&cpu, &mut logits, &history, &settings, &breakers).unwrap_err().to_string()
    };
    let plain = [1.0, 1.75, 2.0, 0.0];
    assert!(error(&[4], &plain, 1).contains("history is 4, expected below 4"));
    assert!(error(&[1], &[f32::NAN, 1.0, 0.0, 0.0], 1).contains("settings is NaN"));
    assert!(error(&[1], &plain[..3], 1).contains("settings has shape [1, 3], expected [1, 4]"));
    assert!(error(&[1], &plain, 0).contains("breakers has shape"));
    let mut shared = Tensor::zeros(DType::F32, [1, 4]).unwrap();
    let other = shared.clone();
    let (history, settings) =
        (Tensor::zeros(DType::I32, [1, 2]).unwrap(), Tensor::from_slice(&plain, [1, 4]).unwrap());
    let breakers = Tensor::zeros(DType::I32, [0, 1]).unwrap();
    let error = dry(&cpu, &mut shared, &history, &settings, &breakers).unwrap_err().to_string();
    assert!(error.contains("logits: is written, but its memory is shared"), "{error}");
    drop(other);
}
