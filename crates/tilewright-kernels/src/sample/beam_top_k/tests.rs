use tilewright_core::{DType, Stream, Tensor};

use super::{BeamTopK, beam_top_k};

#[test]
fn a_beam_with_nan_and_missing_tokens_come_last() {
    let (nan, banned) = (f32::NAN, f32::NEG_INFINITY);
    let logits = Tensor::from_vec(vec![nan, 1.0, 0.0, 0.0, banned, banned], [1, 2, 3]).unwrap();
    let scores = Tensor::from_vec(vec![5.0f32, -1.0], [1, 2]).unwrap();
    let best = beam_top_k(&Stream::cpu(), &logits, &scores, &BeamTopK::default()).unwrap();
    assert_eq!(best.tokens.to_vec::<u32>().unwrap(), [0, u32::MAX, u32::MAX, u32::MAX]);
    assert_eq!(best.beams.to_vec::<u32>().unwrap()[0], 1);
    let scores = best.scores.to_vec::<f32>().unwrap();
    assert_eq!(scores[0], -1.0);
    assert!(scores[1..].iter().all(|score| score.is_nan()));
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let zeros = |shape: &[usize]| Tensor::zeros(DType::F32, shape).unwrap();
    let error = |logits: &[usize], scores: &[usize], k| {
        beam_top_k(&cpu, &zeros(logits), &zeros(scores), &BeamTopK { k }).unwrap_err().to_string()
    };
    assert!(error(&[2, 3], &[2, 3], 0).contains("logits has shape [2, 3], expected [b, beams, v]"));
    assert!(error(&[2, 3, 0], &[2, 3], 0).contains("logits has shape"));
    assert!(error(&[2, 3, 4], &[2, 2], 0).contains("beam_scores has shape [2, 2], expected [2, 3]"));
    assert!(error(&[2, 3, 4], &[2, 3], 13).contains("k is 13, expected at most 12"));
    assert!(error(&[2, 2, 1], &[2, 2], 0).contains("k is 4, expected at most 2"));
}
