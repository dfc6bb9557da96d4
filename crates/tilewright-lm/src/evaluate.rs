//! How well a model foresees a text.

use tilewright_core::{Error, Result};

use crate::Model;

/// How well a text was foreseen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// The mean cross-entropy of a token, in nats.
    pub loss: f64,
    /// Tokens that were to be foreseen.
    pub tokens: usize,
}

impl Evaluation {
    /// e to the loss: among how many tokens the model hesitates, so to speak.
    pub fn perplexity(&self) -> f64 {
        self.loss.exp()
    }

    /// The loss in bits.
    pub fn bits_per_token(&self) -> f64 {
        self.loss / std::f64::consts::LN_2
    }
}

/// Foresees every token but the first of each window of `context + 1`, `batch` windows at a time. Windows follow one another, each beginning with the last token of the
/// one before; what is left at the end is a shorter window.
///
/// # Errors
/// Fewer than 2 tokens; `context` or `batch` 0; a token that the vocabulary lacks.
pub fn evaluate(model: &Model, tokens: &[u32], context: usize, batch: usize) -> Result<Evaluation> {
    if tokens.len() < 2 {
        return Err(Error::range("evaluate", "tokens", "at least 2", tokens.len()));
    }
    if context == 0 || batch == 0 {
        return Err(Error::range("evaluate", "context and batch", "at least 1", 0));
    }
    let mut sum = 0.0;
    let windows: Vec<&[u32]> = (0..tokens.len() - 1)
        .step_by(context)
        .map(|start| &tokens[start..tokens.len().min(start + context + 1)])
        .collect();
    let (whole, rest) = match windows.split_last() {
        Some((last, whole)) if last.len() <= context => (whole, Some(last)),
        _ => (&windows[..], None),
    };
    for windows in whole.chunks(batch).chain(rest.map(std::slice::from_ref)) {
        let inputs: Vec<&[u32]> = windows.iter().map(|window| &window[..window.len() - 1]).collect();
        let targets: Vec<Vec<i64>> = windows
            .iter()
            .map(|window| window[1..].iter().map(|&token| i64::from(token)).collect())
            .collect();
        sum += model.loss(&model.tokens(&inputs)?, &model.targets(&targets)?)?.0;
    }
    Ok(Evaluation { loss: sum / (tokens.len() - 1) as f64, tokens: tokens.len() - 1 })
}
