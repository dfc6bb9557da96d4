//! A small model in which nothing is 0 or 1 by chance of its start.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Stream, Tensor};
use tilewright_lm::{Config, Model, Weights};

pub(crate) fn config() -> Config {
    Config {
        vocab_size: 11,
        hidden_size: 8,
        num_hidden_layers: 2,
        num_heads: 2,
        ffn_round_up_to_multiple_of: 4,
        pad_token_id: None,
        bos_token_id: None,
        eos_token_id: None,
        ..Config::default()
    }
}

/// The same with an sLSTM in the second block.
pub(crate) fn mixed() -> Config {
    config().with_ratio(1, 1)
}

/// The same whose embeddings are its head.
pub(crate) fn tied() -> Config {
    Config { tie_word_embeddings: true, ..config() }
}

pub(crate) fn weights(config: &Config, seed: u64) -> Weights<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Weights::from_shapes(config, |name, shape| {
        let (centre, width) = match () {
            () if name.contains("norm") => (1.0, 0.4),
            () if name.contains("igate_preact.bias") => (-0.5, 1.5),
            () if name.contains("fgate_preact.bias") => (2.0, 1.5),
            () => (0.0, 1.2 / (*shape.last().unwrap() as f64).sqrt()),
        };
        let count = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|_| centre + width * random.random_range(-1.0..1.0)).collect();
        Tensor::from_f64(&values, DType::F64, shape)
    })
    .unwrap()
}

pub(crate) fn model(stream: &Stream, dtype: DType) -> Model {
    Model::from_weights(config(), stream, &weights(&config(), 3), Some(dtype)).unwrap()
}

/// A model of [`mixed`].
pub(crate) fn mixed_model(stream: &Stream, dtype: DType) -> Model {
    Model::from_weights(mixed(), stream, &weights(&mixed(), 3), Some(dtype)).unwrap()
}

/// Texts of `s` tokens.
pub(crate) fn texts(b: usize, s: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..b).map(|_| (0..s).map(|_| random.random_range(0..11)).collect()).collect()
}

/// The largest difference between two tensors.
pub(crate) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (a.to_f64_vec().unwrap(), b.to_f64_vec().unwrap());
    a.iter()
        .zip(&b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, one| if one > most || one.is_nan() { one } else { most })
}
