//! A model in parts.

use tilewright_core::{DType, Stream, Tensor};
use tilewright_lm::{Config, Part};

use crate::tiny;

#[test]
fn parts_one_after_another_are_the_model_to_the_bit() {
    for config in [tiny::config(), tiny::tied()] {
        are_the_model(&Config { num_hidden_layers: 3, ..config });
    }
}

fn are_the_model(config: &Config) {
    let weights = tiny::weights(config, 3);
    let stream = Stream::cpu();
    for dtype in [DType::F32, DType::Bf16] {
        let model =
            tilewright_lm::Model::from_weights(config.clone(), &stream, &weights, Some(dtype)).unwrap();
        for cut in [1, 2] {
            let part = |range| Part::of(config, &stream, &weights, Some(dtype), range).unwrap();
            let (first, second) = (part(0..cut), part(cut..3));
            let (mut whole, mut states) = (None, (None, None));
            for texts in [tiny::texts(2, 5, 1), tiny::texts(2, 1, 2), tiny::texts(2, 1, 3)] {
                let tokens = model.tokens(&texts).unwrap();
                let (expected, after) = model.next(&tokens, whole.as_ref()).unwrap();
                let (x, one) = first.run(&tokens, states.0.as_ref()).unwrap();
                let (logits, two) = second.run(&x, states.1.as_ref()).unwrap();
                assert_eq!(logits.to_bytes().unwrap(), expected.to_bytes().unwrap());
                (whole, states) = (Some(after), (Some(one), Some(two)));
            }
        }
    }
}

#[test]
fn what_a_part_cannot_take_is_named() {
    let (config, stream) = (tiny::config(), Stream::cpu());
    let weights = tiny::weights(&config, 3);
    let part = |range| Part::of(&config, &stream, &weights, Some(DType::F32), range);
    assert!(
        part(1..1)
            .unwrap_err()
            .to_string()
            .contains("range is 1..1, expected at least one of the blocks 0..2")
    );
    assert!(part(1..3).unwrap_err().to_string().contains("range is 1..3"));
    let (first, last) = (part(0..1).unwrap(), part(1..2).unwrap());
    let tokens = |values: Vec<i64>, shape: [usize; 2]| Tensor::from_vec(values, shape).unwrap();
    let hidden = |shape: [usize; 3]| Tensor::zeros(DType::F32, shape).unwrap();
    let (_, state) = last.run(&hidden([1, 1, 8]), None).unwrap();
    for (error, part) in [
        (first.run(&tokens(vec![3, 11], [1, 2]), None), "token is 11, expected 0..11"),
        (first.run(&tokens(vec![-1], [1, 1]), None), "token is -1"),
        (first.run(&tokens(vec![], [0, 1]), None), "at least one text"),
        (first.run(&hidden([1, 1, 8]), None), "x has dtype f32, expected i64"),
        (last.run(&hidden([1, 1, 7]), None), "x has shape [1, 1, 7], expected [b, s, 8]"),
        (last.run(&hidden([1, 0, 8]), None), "x has shape [1, 0, 8]"),
        (last.run(&hidden([2, 1, 8]), Some(&state)), "as many texts as the state has"),
        (last.run(&tokens(vec![1], [1, 1]), None), "x has dtype i64, expected f32"),
    ] {
        let error = error.map(drop).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
