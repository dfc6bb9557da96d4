//! Texts read in one go, in pieces, by steps, alone and in batches are the same texts.

use tilewright_core::{DType, Stream, Tensor};
use tilewright_lm::{
    Decoder, Generation, Greedy, Model, Next, Sampler, Sampling, State, Written, evaluate, generate,
};

use crate::tiny::{self, distance};

#[test]
fn pieces_and_steps_give_the_logits_of_one_shot() {
    // In f64 what is left is rounding of 1e-16; in f32 of 1e-7, through two blocks.
    let kinds = [tiny::model, tiny::mixed_model];
    for (dtype, tolerance, make) in [(DType::F64, 1e-12), (DType::F32, 2e-5)]
        .into_iter()
        .flat_map(|(d, t)| kinds.map(|make| (d, t, make)))
    {
        let model = make(&Stream::cpu(), dtype);
        let texts = tiny::texts(3, 75, 2);
        let (whole, last) = model.logits(&model.tokens(&texts).unwrap(), None).unwrap();
        let mut state: Option<State> = None;
        let mut from = 0;
        for length in [1, 40, 1, 33] {
            let rows: Vec<&[u32]> = texts.iter().map(|text| &text[from..from + length]).collect();
            let (piece, after) = model.logits(&model.tokens(&rows).unwrap(), state.as_ref()).unwrap();
            assert!(distance(&piece, &whole.slice(1, from..from + length).unwrap()) < tolerance);
            let (next, _) = model.next(&model.tokens(&rows).unwrap(), state.as_ref()).unwrap();
            assert!(distance(&next, &piece.select(1, length - 1).unwrap()) < tolerance);
            (state, from) = (Some(after), from + length);
        }
        // C and n are relative to exp(m), and m is the recurrence's own: they can be compared as they are.
        let (by_pieces, at_once) = (state.unwrap().tensors(), last.tensors());
        for (name, tensor) in &at_once {
            assert!(distance(tensor, &by_pieces[name]) < 10.0 * tolerance, "{name}");
        }
        let restored = State::from_tensors(&Stream::cpu(), &at_once).unwrap();
        assert_eq!((restored.batch(), restored.tensors().len()), (3, at_once.len()));
    }
}

/// In memory that stays where it is, and on the emulator from a capture: what the model says step by step.
#[test]
fn a_decoder_writes_what_steps_write() {
    let emulated = tilewright_gpu::stream(tilewright_core::Device::Emulated).unwrap();
    for stream in [Stream::cpu(), emulated] {
        let model = tiny::mixed_model(&stream, DType::F32);
        let texts = tiny::texts(2, 9, 7);
        let (logits, state) = model.next(&model.tokens(&texts).unwrap(), None).unwrap();
        let nothing = Written { prompt: &[], tokens: &[] };
        let best = |logits: &Tensor| -> Vec<u32> { Greedy.choose(&stream, logits, &[nothing; 2]).unwrap() };
        let first = best(&logits);
        let (mut tokens, mut kept) = (first.clone(), state.clone());
        let mut given = Decoder::new(&model, state.clone(), &first, Next::Given).unwrap();
        for _ in 0..4 {
            let rows: Vec<[u32; 1]> = tokens.iter().map(|&token| [token]).collect();
            let (logits, after) = model.next(&model.tokens(&rows).unwrap(), Some(&kept)).unwrap();
            let decoded = given.step(&tokens).unwrap();
            assert!(distance(decoded, &logits) < 1e-6);
            (tokens, kept) = (best(&logits), after);
        }
        let (left, kept) = (given.state().tensors(), kept.tensors());
        assert!(kept.iter().all(|(name, tensor)| distance(tensor, &left[name]) < 1e-6));
        // The state that it was made from is as it was, so that another can begin there.
        let mut greedy = Decoder::new(&model, state, &first, Next::Greedy).unwrap();
        assert_eq!(greedy.run(1).unwrap().len(), 2);
        assert_eq!(greedy.run(3).unwrap(), tokens, "{}", stream.device());
        assert_eq!(greedy.is_captured(), stream.device() != tilewright_core::Device::Cpu);
        assert!(given.run(1).unwrap_err().to_string().contains("tokens is none, expected those of the host"));
        assert!(greedy.step(&tokens).unwrap_err().to_string().contains("they are chosen on the device"));
        let alone = Decoder::new(&model, given.state().clone(), &first[..1], Next::Given).unwrap_err();
        assert!(alone.to_string().contains("expected one for each of 2 texts"), "{alone}");
    }
}

/// One text goes through the fused maps, two do not: the same text twice is the same.
#[test]
fn a_text_alone_is_decoded_as_one_of_two() {
    let emulated = tilewright_gpu::stream(tilewright_core::Device::Emulated).unwrap();
    for (stream, dtype, tolerance) in [
        (Stream::cpu(), DType::F64, 1e-12),
        (Stream::cpu(), DType::F32, 2e-5),
        // A few roundings of 2^-8 in two blocks, of logits that are below 3.
        (Stream::cpu(), DType::Bf16, 0.15),
        (emulated, DType::F32, 2e-5),
    ] {
        for make in [tiny::model, tiny::mixed_model] {
            let model = make(&stream, dtype);
            let text = tiny::texts(1, 9, 7).remove(0);
            let state = |texts: &[Vec<u32>]| model.next(&model.tokens(texts).unwrap(), None).unwrap().1;
            let both = state(&[text.clone(), text.clone()]);
            let alone = state(&[text]);
            let mut alone = Decoder::new(&model, alone, &[3], Next::Given).unwrap();
            let mut both = Decoder::new(&model, both, &[3, 3], Next::Given).unwrap();
            for token in [3, 5, 0, 10, 2] {
                let of_two = both.step(&[token, token]).unwrap().slice(0, 0..1).unwrap();
                let logits = alone.step(&[token]).unwrap();
                assert!(distance(logits, &of_two) < tolerance, "{dtype} on {}", stream.device());
            }
            let (left, other) = (alone.state().tensors(), both.state().tensors());
            for (name, tensor) in &left {
                assert!(distance(tensor, &other[name].slice(0, 0..1).unwrap()) < 10.0 * tolerance, "{name}");
            }
        }
    }
}

#[test]
fn logits_stay_below_their_cap() {
    let model = tiny::model(&Stream::cpu(), DType::F32);
    let (logits, _) = model.logits(&model.tokens(&tiny::texts(1, 20, 8)).unwrap(), None).unwrap();
    assert!(logits.to_vec::<f32>().unwrap().iter().all(|logit| logit.abs() < 30.0));
}

#[test]
fn a_batch_of_prompts_of_different_lengths_is_each_alone() {
    for model in [tiny::model, tiny::mixed_model].map(|make| make(&Stream::cpu(), DType::F32)) {
        a_batch_is_each_alone(&model);
    }
}

fn a_batch_is_each_alone(model: &Model) {
    let texts = tiny::texts(3, 30, 4);
    let prompts = vec![texts[0][..7].to_vec(), texts[1][..30].to_vec(), texts[2][..12].to_vec()];
    let options = Generation { tokens: 15, prefill: 3 };
    let sampled = |first: usize| Sampling::new(0.9, 0, 0.95, 42).unwrap().from_text(first as u64);
    let together = generate(model, &prompts, &options, &mut sampled(0), |_, _| true).unwrap();
    for (text, prompt) in prompts.iter().enumerate() {
        let alone = std::slice::from_ref(prompt);
        let alone = generate(model, alone, &options, &mut sampled(text), |_, _| true).unwrap();
        assert_eq!(alone[0], together[text], "text {text}");
        assert_eq!(alone[0].len(), 15);
    }
}

#[test]
fn streams_see_every_token_and_may_stop() {
    let model = tiny::model(&Stream::cpu(), DType::F32);
    let mut seen = Vec::new();
    let prompts = tiny::texts(2, 5, 4);
    let written = generate(&model, &prompts, &Generation::default(), &mut Greedy, |text, token| {
        seen.push((text, token));
        seen.iter().filter(|(other, _)| *other == text).count() < 3 + text
    });
    let written = written.unwrap();
    assert_eq!((written[0].len(), written[1].len(), seen.len()), (3, 4, 7));
    let of_first: Vec<u32> = seen.iter().filter(|(text, _)| *text == 0).map(|(_, token)| *token).collect();
    assert_eq!(of_first, written[0]);
}

#[test]
fn evaluation_is_the_mean_over_all_windows() {
    let model = tiny::model(&Stream::cpu(), DType::F64);
    let text = tiny::texts(1, 24, 9).remove(0);
    let found = evaluate(&model, &text, 10, 2).unwrap();
    let mut sum = 0.0;
    for window in [&text[0..11], &text[10..21], &text[20..24]] {
        let targets: Vec<i64> = window[1..].iter().map(|&token| i64::from(token)).collect();
        let tokens = model.tokens(&[&window[..window.len() - 1]]).unwrap();
        sum += model.loss(&tokens, &model.targets(&[targets]).unwrap()).unwrap().0;
    }
    assert!((found.loss - sum / 23.0).abs() < 1e-12 && found.tokens == 23, "{found:?}");
    assert!((found.perplexity() - (sum / 23.0).exp()).abs() < 1e-9);
}

#[test]
fn wrong_arguments_are_named() {
    let model = tiny::model(&Stream::cpu(), DType::F32);
    let generated = |prompts: &[Vec<u32>]| {
        generate(&model, prompts, &Generation::default(), &mut Greedy, |_, _| true).unwrap_err().to_string()
    };
    let tokens = model.tokens(&[[1u32, 2]]).unwrap();
    let (_, of_two) = model.logits(&model.tokens(&[[1u32], [2]]).unwrap(), None).unwrap();
    let (_, mut wrong) =
        model.logits(&tokens, None).map(|(logits, state)| (logits, state.tensors())).unwrap();
    wrong.insert("layers.1.c".into(), Tensor::zeros(DType::F32, [1, 2, 2, 5]).unwrap());
    let wrong = State::from_tensors(&Stream::cpu(), &wrong).unwrap();
    let mixed = tiny::mixed_model(&Stream::cpu(), DType::F32);
    let (_, of_mlstms) = model.logits(&tokens, None).unwrap();
    for (error, part) in [
        (generated(&[]), "prompts is fewer, expected at least one"),
        (generated(&[vec![1], vec![]]), "prompts is fewer"),
        (generated(&[vec![11]]), "token is 11, expected 0..11"),
        (
            model.tokens(&[vec![1u32, 2], vec![1]]).unwrap_err().to_string(),
            "length of a row of tokens is 1, expected 2",
        ),
        (model.targets(&[[11i64]]).unwrap_err().to_string(), "target is 11, expected below 11"),
        (model.logits(&tokens, Some(&of_two)).unwrap_err().to_string(), "state is of 2"),
        (
            mixed.logits(&tokens, Some(&of_mlstms)).unwrap_err().to_string(),
            "state is another, expected one whose blocks are of the model's kinds",
        ),
        (model.logits(&tokens, Some(&wrong)).unwrap_err().to_string(), "c has shape [1, 2, 2, 5]"),
        (model.logits(&tokens.reshape([2]).unwrap(), None).unwrap_err().to_string(), "tokens has shape [2]"),
        (evaluate(&model, &[1], 4, 1).unwrap_err().to_string(), "tokens is 1, expected at least 2"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
