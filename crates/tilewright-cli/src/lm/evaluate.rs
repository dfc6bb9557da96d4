//! `tilewright lm eval`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tilewright_lm::evaluate as measured;

use super::{Where, tokens};
use crate::Console;
use crate::stop::Stop;

/// Measure how well a model foresees a text: loss, perplexity, bits a token (a byte, where the folder has no tokenizer.json).
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Where,
    /// A text file, or a folder of them.
    #[arg(long)]
    text: PathBuf,
    /// Tokens that a window foresees; each window begins without memory.
    #[arg(long, default_value_t = 256)]
    context: usize,
    /// Windows at a time.
    #[arg(long, default_value_t = 8)]
    batch: usize,
}

#[derive(Serialize)]
struct Document {
    device: String,
    dtype: &'static str,
    tokens: usize,
    loss: f64,
    perplexity: f64,
    bits_per_token: f64,
    tokens_per_second: f64,
}

pub(crate) fn evaluate(options: &Options, console: &mut Console) -> Result<(), Stop> {
    let (stream, model) = options.place.load()?;
    let text = tokens(&model, &options.place.model, &options.text)?;
    let start = Instant::now();
    let found = measured(&model, &text, options.context, options.batch)?;
    let document = Document {
        device: stream.device().to_string(),
        dtype: model.dtype().name(),
        tokens: found.tokens,
        loss: found.loss,
        perplexity: found.perplexity(),
        bits_per_token: found.bits_per_token(),
        tokens_per_second: found.tokens as f64 / start.elapsed().as_secs_f64(),
    };
    if console.json {
        return console.json(&document);
    }
    let Document { tokens, loss, perplexity, bits_per_token, tokens_per_second, device, .. } = document;
    Ok(writeln!(
        console.out,
        "{tokens} tokens: loss {loss:.4}, perplexity {perplexity:.3}, {bits_per_token:.4} bits a token; {tokens_per_second:.0} tokens/s on {device}"
    )?)
}
