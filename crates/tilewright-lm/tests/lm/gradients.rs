//! The gradient by every weight against central differences, in f64.

use tilewright_core::{DType, Stream, Tensor};
use tilewright_lm::{Config, Model};

use crate::tiny;

#[test]
fn every_gradient_is_a_slope() {
    // Of eps the mLSTM's gradient leaves out what it reaches through the stabiliser: eps exp(m), here below 1e-9.
    let slopes = judged(Config { eps: 1e-12, num_hidden_layers: 2, ..tiny::config() });
    assert!(slopes > 400, "{slopes} slopes");
}

#[test]
fn every_gradient_of_a_mixed_model_is_a_slope() {
    let slopes = judged(Config { eps: 1e-12, ..tiny::mixed() });
    assert!(slopes > 400, "{slopes} slopes");
}

#[test]
fn every_gradient_of_a_tied_model_is_a_slope() {
    let slopes = judged(Config { eps: 1e-12, ..tiny::tied() });
    assert!(slopes > 200, "{slopes} slopes");
}

/// Compares gradients by weights with slopes, and counts them.
fn judged(config: Config) -> usize {
    let weights = tiny::weights(&config, 3);
    let cpu = Stream::cpu();
    let model = Model::from_weights(config.clone(), &cpu, &weights, None).unwrap();
    let tokens = model.tokens(&tiny::texts(2, 9, 5)).unwrap();
    let mut targets: Vec<Vec<i64>> =
        tiny::texts(2, 9, 6).into_iter().map(|row| row.into_iter().map(i64::from).collect()).collect();
    targets[1][3] = -1;
    let targets = model.targets(&targets).unwrap();
    let (loss, by) = model.gradients(&tokens, &targets).unwrap();
    let (sum, counted) = model.loss(&tokens, &targets).unwrap();
    assert_eq!(counted, 17);
    assert!((sum / 17.0 - loss).abs() < 1e-12, "both ways give one loss");

    let names: Vec<String> = weights.all().into_iter().map(|(name, _)| name).collect();
    let h = 3e-5;
    let (mut judged, mut largest) = (0, 0.0f64);
    for (which, (name, by)) in
        names.iter().zip(by.all().into_iter().map(|(_, by)| by.to_vec::<f64>().unwrap())).enumerate()
    {
        // Every fifth weight of the large ones, and all of the small ones.
        let stride = if by.len() > 40 { 5 } else { 1 };
        for at in (0..by.len()).step_by(stride) {
            let loss = |shift: f64| {
                let mut moved = weights.clone();
                let tensor = &mut *moved.all_mut().swap_remove(which);
                let mut values = tensor.to_vec::<f64>().unwrap();
                values[at] += shift;
                *tensor = Tensor::from_vec(values, tensor.shape()).unwrap();
                let model = Model::from_weights(config.clone(), &cpu, &moved, None).unwrap();
                model.loss(&tokens, &targets).unwrap().0 / 17.0
            };
            // Differences of two widths: the third derivative cancels, which norms of small embeddings make large. Rounding costs 1e-16 / h.
            let slope = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
            assert!(
                (slope - by[at]).abs() < 2e-8 * (1.0 + slope.abs()),
                "{name} at {at}: {slope} and {}",
                by[at]
            );
            judged += 1;
            largest = largest.max(slope.abs());
        }
    }
    println!("{judged} slopes, the largest {largest}");
    assert!(largest > 0.05, "{judged} slopes, the largest {largest}");
    judged
}

#[test]
fn what_cannot_be_trained_says_so() {
    let model = tiny::model(&Stream::cpu(), DType::F16);
    let tokens = model.tokens(&tiny::texts(1, 4, 1)).unwrap();
    let targets = model.targets(&[vec![1i64, 2, 3, 4]]).unwrap();
    let error = model.gradients(&tokens, &targets).unwrap_err();
    assert!(
        error.is_unsupported() && error.to_string().contains("gradients leave the range of f16"),
        "{error}"
    );
    let model = tiny::model(&Stream::cpu(), DType::F32);
    let nothing = model.targets(&[vec![-1i64; 4]]).unwrap();
    let error = model.gradients(&tokens, &nothing).unwrap_err().to_string();
    assert!(error.contains("targets is 0, expected at least one that counts"), "{error}");
}
