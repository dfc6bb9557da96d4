//! Training learns, stops and goes on.

use tilewright_core::{DType, Stream};
use tilewright_lm::train::{Optimizer, Options, Precision, Schedule, Trainer};
use tilewright_lm::{Config, Model, bytes, evaluate};

use crate::tiny;

fn tiny_options(accumulate: usize, batch: usize) -> Options {
    Options { steps: 8, batch, accumulate, context: 12, ..Options::default() }
}

fn tiny_trainer(accumulate: usize, batch: usize) -> Trainer {
    trainer_of(tiny_options(accumulate, batch))
}

/// Of a model with both kinds of blocks.
fn trainer_of(options: Options) -> Trainer {
    let text = tiny::texts(1, 300, 1).remove(0);
    Trainer::new(tiny::mixed_model(&Stream::cpu(), DType::F32), text, options).unwrap()
}

fn bits(trainer: &Trainer) -> Vec<Vec<u8>> {
    trainer.model().weights().all().into_iter().map(|(_, tensor)| tensor.to_bytes().unwrap()).collect()
}

#[test]
fn training_that_was_stopped_goes_on_to_the_same_bits() {
    let usual = tiny_options(2, 3);
    goes_on_to_the_same_bits(usual);
    goes_on_to_the_same_bits(Options { optimizer: Optimizer::Muon, precision: Precision::Bf16, ..usual });
}

fn goes_on_to_the_same_bits(options: Options) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let mut whole = trainer_of(options);
    while !whole.is_done() {
        whole.step().unwrap();
    }
    let mut first = trainer_of(options);
    for _ in 0..3 {
        first.step().unwrap();
    }
    first.save(&path).unwrap();
    let text = tiny::texts(1, 300, 1).remove(0);
    let mut second = Trainer::resume(&path, &Stream::cpu(), text.clone()).unwrap();
    assert_eq!(second.steps_done(), 3);
    while !second.is_done() {
        second.step().unwrap();
        // Over the file that it came from.
        second.save(&path).unwrap();
    }
    let loss_bits =
        |trainer: &Trainer| trainer.losses().iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    assert_eq!(loss_bits(&second), loss_bits(&whole));
    assert_eq!(bits(&second), bits(&whole));

    let error = Trainer::resume(&path, &Stream::cpu(), text[1..].to_vec()).unwrap_err().to_string();
    assert!(error.contains("was made on another text, of 300 tokens"), "{error}");
    let data = std::fs::read(&path).unwrap();
    std::fs::write(&path, &data[..data.len() / 2]).unwrap();
    let error = Trainer::resume(&path, &Stream::cpu(), text.clone()).unwrap_err().to_string();
    assert!(error.contains("training.safetensors"), "{error}");
    first.model().save(folder.path()).unwrap();
    let model = folder.path().join("model.safetensors");
    let error = Trainer::resume(model, &Stream::cpu(), text).unwrap_err().to_string();
    assert!(error.contains("no checkpoint: it has no tensor record"), "{error}");
}

/// The parts of an accumulated step are averaged: the first losses agree with those of the parts, and the weights move alike.
#[test]
fn accumulated_steps_average_their_parts() {
    let mut accumulated = tiny_trainer(2, 1);
    let step = accumulated.step().unwrap();
    assert_eq!(step.tokens, 24);
    let mut single = tiny_trainer(1, 1);
    let first = single.step().unwrap();
    assert_ne!(first.loss, step.loss);
    assert!((step.loss - first.loss).abs() < 1.0 && step.norm > 0.0 && step.rate > 0.0);
    assert!(
        single.model().weights().all().iter().all(|(_, tensor)| tensor
            .to_f64_vec()
            .unwrap()
            .iter()
            .all(|x| x.is_finite()))
    );
}

/// In bf16 a model learns as it does in f32, nearly; its weights are f32, and what it computes with are these, rounded.
#[test]
fn short_gradients_move_long_weights() {
    let run = |precision: Precision| {
        let options = Options { steps: 30, batch: 4, precision, ..tiny_options(1, 4) };
        let mut trainer = trainer_of(options);
        while !trainer.is_done() {
            trainer.step().unwrap();
        }
        trainer
    };
    let (full, short) = (run(Precision::Full), run(Precision::Bf16));
    assert_eq!((full.model().dtype(), short.model().dtype()), (DType::F32, DType::Bf16));
    let last = |trainer: &Trainer| trainer.losses()[20..].iter().sum::<f64>() / 10.0;
    println!("{} {} to {} {}", full.losses()[0], short.losses()[0], last(&full), last(&short));
    assert!((full.losses()[0] - short.losses()[0]).abs() < 0.05);
    assert!((last(&full) - last(&short)).abs() < 0.1, "{} {}", last(&full), last(&short));
    assert!(last(&short) < short.losses()[0] - 0.1);
}

#[test]
fn wrong_options_are_named() {
    let text = tiny::texts(1, 30, 1).remove(0);
    let error = |options: Options| {
        Trainer::new(tiny::model(&Stream::cpu(), DType::F32), text.clone(), options).unwrap_err().to_string()
    };
    let usual = Options { context: 8, ..Options::default() };
    for (options, part) in [
        (Options { batch: 0, ..usual }, "batch is 0"),
        (Options { context: 30, ..usual }, "tokens of the text is 30, expected more than the context of 30"),
        (Options { clip: f64::NAN, ..usual }, "clip is NaN"),
        (Options { schedule: Schedule { peak: -1.0, ..Schedule::default() }, ..usual }, "peak rate is -1"),
    ] {
        let error = error(options);
        assert!(error.contains(part), "{error}");
    }
    let wild = Options { schedule: Schedule { peak: 1e30, floor: 1.0, warmup: 0 }, ..usual };
    let mut trainer = Trainer::new(tiny::model(&Stream::cpu(), DType::F32), text.clone(), wild).unwrap();
    let error =
        (0..5).find_map(|_| trainer.step().err()).expect("such a rate leaves nothing finite").to_string();
    assert!(error.contains("train: a gradient of norm"), "{error}");
}

/// Text whose next letter a look at the letter before cannot tell: a word, and then the same word reversed.
fn mirrored(words: usize) -> String {
    let all = ["stone", "river", "cloud", "amber", "night", "flute"];
    let mut seed = 12345u32;
    let mut text = String::new();
    for _ in 0..words {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = all[(seed >> 16) as usize % all.len()];
        text += word;
        text.push('|');
        text.extend(word.chars().rev());
        text.push(' ');
    }
    text
}

/// The entropy of a letter given the one before: what a model without memory comes down to at best.
fn bigram_entropy(text: &[u32]) -> f64 {
    let mut counts = std::collections::HashMap::new();
    let mut before = std::collections::HashMap::new();
    for pair in text.windows(2) {
        *counts.entry((pair[0], pair[1])).or_insert(0.0) += 1.0;
        *before.entry(pair[0]).or_insert(0.0) += 1.0;
    }
    let total: f64 = before.values().sum();
    counts.iter().map(|((first, _), count): (_, &f64)| -count / total * (count / before[first]).ln()).sum()
}

#[test]
fn a_byte_model_learns_what_needs_memory() {
    let text = bytes::encode(mirrored(800));
    let (learned, held_out) = text.split_at(text.len() * 9 / 10);
    let config = Config { hidden_size: 32, num_hidden_layers: 1, num_heads: 2, ..Config::bytes() };
    let model = Model::random(config, &Stream::cpu(), DType::F32, 1).unwrap();
    let schedule = Schedule { peak: 1e-2, floor: 0.1, warmup: 10 };
    let options = Options { steps: 150, batch: 8, context: 48, schedule, ..Options::default() };
    let before = evaluate(&model, held_out, 48, 8).unwrap();
    let mut trainer = Trainer::new(model, learned.to_vec(), options).unwrap();
    while !trainer.is_done() {
        trainer.step().unwrap();
    }
    let after = evaluate(trainer.model(), held_out, 48, 8).unwrap();
    let bigram = bigram_entropy(&text);
    println!("loss {:.3} to {:.3}; a bigram's {bigram:.3}", before.loss, after.loss);
    // It begins with a guess among all bytes: ln 256 = 5.55, and half the variance 2/5 of its first logits more. Of 12 letters one of six
    // words is free, the rest is told by what came: ln 6 / 12 = 0.15.
    assert!((before.loss - 5.75).abs() < 0.2, "{before:?}");
    assert!(after.loss < 0.35, "{after:?}, bigrams {bigram}");
    assert!(after.loss < 0.6 * bigram, "{after:?}, bigrams {bigram}");
}
