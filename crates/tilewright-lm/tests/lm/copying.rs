//! A copy task that is out of a linear model's reach: words of random length, each followed by itself.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Stream};
use tilewright_lm::train::{Optimizer, Options, Schedule, Trainer};
use tilewright_lm::{Config, Model};

/// Letters, then the bar between a word and its copy, then the space after both.
const LETTERS: usize = 8;
const BAR: u32 = 8;
const SPACE: u32 = 9;
const VOCABULARY: usize = 10;
/// How far back the linear model sees: further than any letter lies from its copy.
const SEEN: usize = 16;

/// Words of 2 to 7 different letters: how far back a letter's copy lies is another number each time.
fn text(words: usize, seed: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut text = Vec::new();
    for _ in 0..words {
        let mut letters: Vec<u32> = (0..LETTERS as u32).collect();
        let length = random.random_range(2..=7);
        for at in 0..length {
            letters.swap(at, random.random_range(at..LETTERS));
        }
        let word = &letters[..length];
        text.extend(word.iter().chain([&BAR]).chain(word).chain([&SPACE]));
    }
    text
}

/// The places of copied letters: after a bar, up to the space.
fn copied(text: &[u32]) -> Vec<usize> {
    let mut copying = false;
    let mut places = Vec::new();
    for (at, &token) in text.iter().enumerate() {
        match token {
            BAR => copying = true,
            SPACE => copying = false,
            _ if copying => places.push(at),
            _ => {}
        }
    }
    places
}

/// The share of copied letters that a softmax of a linear map of the last tokens foresees, after it has been fitted to `learned` by gradient descent.
fn linear(learned: &[u32], held_out: &[u32]) -> f64 {
    let mut weights = vec![[0.0f64; VOCABULARY]; SEEN * VOCABULARY];
    let logits = |weights: &[[f64; VOCABULARY]], text: &[u32], at: usize| {
        let mut logits = [0.0; VOCABULARY];
        for back in 1..=SEEN.min(at) {
            let row = &weights[(back - 1) * VOCABULARY + text[at - back] as usize];
            logits.iter_mut().zip(row).for_each(|(logit, weight)| *logit += weight);
        }
        logits
    };
    for epoch in 0..6 {
        let rate = 0.05 / f64::from(epoch + 1);
        for at in copied(learned) {
            let logits = logits(&weights, learned, at);
            let largest = logits.iter().fold(f64::MIN, |most, &logit| most.max(logit));
            let total: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
            for back in 1..=SEEN.min(at) {
                let row = &mut weights[(back - 1) * VOCABULARY + learned[at - back] as usize];
                for (token, (weight, logit)) in row.iter_mut().zip(&logits).enumerate() {
                    let truth = if token as u32 == learned[at] { 1.0 } else { 0.0 };
                    *weight += rate * (truth - (logit - largest).exp() / total);
                }
            }
        }
    }
    let places = copied(held_out);
    let right = places.iter().filter(|&&at| best(&logits(&weights, held_out, at)) == held_out[at]).count();
    right as f64 / places.len() as f64
}

fn best(logits: &[f64]) -> u32 {
    (0..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) as u32
}

#[test]
fn a_mixed_model_copies_what_a_linear_one_cannot() {
    let (learned, held_out) = (text(3000, 1), text(150, 2));
    // The sLSTM first: its filter tells a token its neighbours, by which the mLSTM after it finds what followed them.
    let config = Config {
        vocab_size: VOCABULARY,
        hidden_size: 48,
        num_hidden_layers: 2,
        num_heads: 2,
        slstm_at: vec![0],
        ..Config::bytes()
    };
    let model = Model::random(config, &Stream::cpu(), DType::F32, 1).unwrap();
    let options = Options {
        steps: 250,
        batch: 16,
        context: 48,
        schedule: Schedule { peak: 1e-2, floor: 0.05, warmup: 20 },
        optimizer: Optimizer::Muon,
        weight_decay: 0.01,
        ..Options::default()
    };
    let linear = linear(&learned, &held_out);
    let start = std::time::Instant::now();
    let mut trainer = Trainer::new(model, learned, options).unwrap();
    while !trainer.is_done() {
        let step = trainer.step().unwrap();
        if step.step.is_multiple_of(50) {
            println!("{} {:.3}", step.step, step.loss);
        }
    }
    let model = trainer.model();
    let (logits, _) = model.logits(&model.tokens(&[&held_out]).unwrap(), None).unwrap();
    let logits = logits.to_f64_vec().unwrap();
    let places = copied(&held_out);
    let foreseen = |at: &&usize| best(&logits[(**at - 1) * VOCABULARY..][..VOCABULARY]) == held_out[**at];
    let right = places.iter().filter(foreseen).count() as f64 / places.len() as f64;
    println!(
        "of {} copied letters foreseen: {right:.3}, by a linear model {linear:.3}; {:?}",
        places.len(),
        start.elapsed()
    );
    assert!(right > 0.95, "{right}");
    assert!(linear < 0.6, "{linear}");
}
